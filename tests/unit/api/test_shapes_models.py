"""The list of models, and vectors of texts."""

from __future__ import annotations

import base64
import struct
from dataclasses import replace

import numpy as np
import pytest
from answer_samples import EMBEDDER, store
from published import Published, described
from shape_samples import answering

from ragstone.api.shapes.embeddings import Encoding, check_dimensions, embeddings
from ragstone.api.shapes.models import model, model_name, models, store_model, store_name
from ragstone.errors import InvalidRequestError

VECTORS = np.array([[0.6, 0.8, 0.0], [0.0, -0.28, 0.96]], dtype=np.float32)
HANDBOOK = replace(store(), name="the handbook/2026")


@pytest.fixture
def description() -> Published:
    return described()


def test_each_store_is_a_model() -> None:
    shown = store_model(HANDBOOK)
    assert shown == {
        "id": "ragstone/the handbook/2026",
        "object": "model",
        "created": int(HANDBOOK.created_at.timestamp()),
        "owned_by": "ragstone",
    }


def test_a_model_leads_back_to_its_store() -> None:
    assert store_name(model_name(HANDBOOK)) == HANDBOOK.name
    assert store_name("ragstone/vs_1") == "vs_1"


@pytest.mark.parametrize("name", ["", "ragstone", "ragstone/", "gpt-5", "other/ragstone/x"])
def test_a_model_of_another_kind_leads_to_no_store(name: str) -> None:
    assert store_name(name) is None


def test_models_fit_the_published_description(description: Published) -> None:
    listed = models([store_model(HANDBOOK), model("all-MiniLM-L6-v2-int8", 1)])
    description.check_answer("GET", "/v1/models", 200, listed)
    description.check_answer("GET", f"/v1/models/{model_name(HANDBOOK)}", 200, store_model(HANDBOOK))


def test_the_stock_client_lists_models() -> None:
    with answering(models([store_model(HANDBOOK)])) as client:
        assert [one.id for one in client.models.list()] == ["ragstone/the handbook/2026"]


@pytest.mark.parametrize("encoding", Encoding)
def test_embeddings_fit_the_published_description(description: Published, encoding: Encoding) -> None:
    description.check_answer("POST", "/v1/embeddings", 200, embeddings(VECTORS, "m", 7, encoding))


def test_embeddings_are_numbers_in_the_order_of_the_texts() -> None:
    made = embeddings(VECTORS, "m", 7)
    assert made["data"] == [
        {"object": "embedding", "index": 0, "embedding": [float(x) for x in VECTORS[0]]},
        {"object": "embedding", "index": 1, "embedding": [float(x) for x in VECTORS[1]]},
    ]
    assert made["usage"] == {"prompt_tokens": 7, "total_tokens": 7}


def test_packed_embeddings_are_little_endian_floats() -> None:
    data = embeddings(VECTORS.astype(">f4"), "m", 7, Encoding.BASE64)["data"]
    assert isinstance(data, list)
    unpacked = [struct.unpack("<3f", base64.b64decode(one["embedding"])) for one in data]
    assert unpacked == [tuple(map(float, row)) for row in VECTORS]


@pytest.mark.parametrize("encoding", Encoding)
def test_the_stock_client_unpacks_embeddings(encoding: Encoding) -> None:
    with answering(embeddings(VECTORS, "m", 7, encoding)) as client:
        # Without a wish of its own the client asks for base64 and unpacks what comes.
        read = client.embeddings.create(model="m", input=["a", "b"])
    assert np.array_equal(np.array([one.embedding for one in read.data], dtype=np.float32), VECTORS)


def test_other_dimensions_than_the_model_s_are_refused_with_the_remedy() -> None:
    dimension = EMBEDDER.model.dimension
    check_dimensions(None, EMBEDDER.model)
    check_dimensions(dimension, EMBEDDER.model)
    with pytest.raises(InvalidRequestError, match=f"ask for {dimension}"):
        check_dimensions(dimension - 1, EMBEDDER.model)
