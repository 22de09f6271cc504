"""Embeddings, reranking and classification by servers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from misbehaving import Misbehaving
from model_faults import FAULTS
from model_replies import DIMENSION, Asked, Reply, Sound, vector_of
from unit.models.protocols.conftest import Opening, member

from ragstone.models.faults import Fault, MemberError
from ragstone.models.protocols import classify, embed, rerank
from ragstone.settings.models import Model

pytestmark = pytest.mark.anyio

TEXTS = ["the first text", "quite another one", "the first text again"]


def embedding(url: str, **fields: Any) -> Model:
    return member(url, kind="embedding", dimension=DIMENSION, price={"input": 1}, **fields)


def reranking(url: str, **fields: Any) -> Model:
    return member(url, kind="rerank", **fields)


def classifying(server: Misbehaving, **fields: Any) -> Model:
    return member(server.host, kind="classify", protocol="open-inference", model="classifier", **fields)


def answering(monkeypatch: pytest.MonkeyPatch, server: Misbehaving, value: object) -> None:
    """Let the server answer every POST with this."""

    def told(asked: Asked, sound: Sound) -> Reply:
        return sound.reply(asked) if asked.method == "GET" else Reply.json(value)

    monkeypatch.setitem(FAULTS, "told", told)
    server.fault = "told"


def outputs(*tensors: Mapping[str, Any]) -> Mapping[str, object]:
    return {"outputs": tensors}


@pytest.mark.parametrize("omit", [[], ["encoding_format"]], ids=["base64", "numbers"])
async def test_vectors_have_unit_length_and_the_order_of_the_texts(
    server: Misbehaving, opened: Opening, omit: list[str]
) -> None:
    model = embedding(server.url, omit=omit)
    matrix, usage = await embed(model, TEXTS, opened(model))
    expected = np.stack([vector_of(text) / np.linalg.norm(vector_of(text)) for text in TEXTS])
    np.testing.assert_allclose(matrix, expected, atol=1e-6)
    assert matrix.dtype == np.float32
    assert (usage.input_tokens, usage.calls) == (10, 1)
    assert usage.cost == pytest.approx(10e-6)


async def test_azure_embeds_under_its_deployment(server: Misbehaving, opened: Opening) -> None:
    model = embedding(server.host, protocol="azure", api_version="2026-05-01")
    await embed(model, TEXTS, opened(model))
    assert server.requests[0].path == "/openai/deployments/m/embeddings?api-version=2026-05-01"


async def test_the_open_inference_protocol_embeds(server: Misbehaving, opened: Opening) -> None:
    model = embedding(server.host, protocol="open-inference")
    client = opened(model)
    matrix, usage = await embed(model, TEXTS, client)
    again, _ = await embed(embedding(server.host), TEXTS, opened(embedding(server.url)))
    np.testing.assert_allclose(matrix, again, atol=1e-6)
    assert usage.input_tokens == 13  # estimated
    assert server.requests[1].path == "/v2/models/m/infer"
    assert server.requests[1].body == {
        "inputs": [{"name": "input-0", "shape": [3], "datatype": "BYTES", "data": TEXTS}]
    }
    await embed(model, TEXTS, client)
    assert server.calls["v2/models/m"] == 1, "the metadata is asked for once"


VECTOR = [1.0] * DIMENSION
MALFORMED_VECTORS: Mapping[str, object] = {
    "too few": {"data": [{"index": 0, "embedding": VECTOR}]},
    "twice the same": {"data": [{"index": 0, "embedding": VECTOR}] * 3},
    "another dimension": {"data": [{"index": index, "embedding": [1.0, 2.0]} for index in range(3)]},
    "different lengths": {"data": [{"index": index, "embedding": [1.0] * (index + 1)} for index in range(3)]},
    "zero": {"data": [{"index": index, "embedding": [0.0] * DIMENSION} for index in range(3)]},
    "infinite": {"data": [{"index": index, "embedding": [1e39] * DIMENSION} for index in range(3)]},
    "no base64": {"data": [{"index": index, "embedding": "#"} for index in range(3)]},
    "half a number": {"data": [{"index": index, "embedding": "AAAAAAA="} for index in range(3)]},
    "no list": {"data": 5},
    "nothing": [],
}


@pytest.mark.parametrize("name", MALFORMED_VECTORS)
async def test_vectors_that_are_none_are_garbage(
    server: Misbehaving, opened: Opening, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    answering(monkeypatch, server, MALFORMED_VECTORS[name])
    model = embedding(server.url)
    with pytest.raises(MemberError) as error:
        await embed(model, TEXTS, opened(model))
    assert error.value.fault is Fault.GARBAGE


FAULTY = {
    "429-seconds": Fault.RATE_LIMITED,
    "500": Fault.SERVER_ERROR,
    "503": Fault.OVERLOADED,
    "400-context": Fault.TOO_LONG,
    "401": Fault.UNAUTHORIZED,
    "silent": Fault.TIMEOUT_FIRST,
    "hangs-up": Fault.CONNECT,
    "stall": Fault.TIMEOUT_FIRST,
    "cut": Fault.CUT,
    "without-end": Fault.GARBAGE,
    "type": Fault.GARBAGE,
}


@pytest.mark.parametrize("fault", FAULTY)
async def test_faults_have_the_same_names_as_in_a_chat(server: Misbehaving, opened: Opening, fault: str) -> None:
    timeouts = {"first_token": 0.2} if FAULTY[fault] is Fault.TIMEOUT_FIRST else {}
    embedder = embedding(server.faulty(fault), timeouts=timeouts)
    reranker = reranking(server.faulty(fault), timeouts=timeouts)
    for asking in (
        embed(embedder, TEXTS, opened(embedder)),
        rerank(reranker, "the first", TEXTS, opened(reranker)),
    ):
        with pytest.raises(MemberError) as error:
            await asking
        assert error.value.fault is FAULTY[fault]
        assert error.value.usage.calls == 1
        assert not any(text in str(error.value) for text in TEXTS)


async def test_scores_have_the_order_of_the_texts(server: Misbehaving, opened: Opening) -> None:
    model = reranking(server.url)
    scores, usage = await rerank(model, "the first again", TEXTS, opened(model))
    assert list(scores) == pytest.approx([2 / 3, 0.0, 1.0])
    assert usage.input_tokens == 7
    assert server.requests[0].body == {"model": "m", "query": "the first again", "documents": TEXTS, "top_n": 3}


async def test_log_odds_become_probabilities_and_stay_it(
    server: Misbehaving, opened: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = reranking(server.url)
    client = opened(model)
    ranked = [{"index": 1, "relevance_score": 4.0}, {"index": 0, "relevance_score": -4.0}]
    answering(monkeypatch, server, {"results": ranked})
    scores, _ = await rerank(model, "q", TEXTS[:2], client)
    assert list(scores) == pytest.approx([0.018, 0.982], abs=1e-3)
    ranked = [{"index": 1, "score": 0.5}, {"index": 0, "score": 0.0}]
    answering(monkeypatch, server, {"results": ranked})
    scores, _ = await rerank(model, "q", TEXTS[:2], client)
    assert list(scores) == pytest.approx([0.5, 0.622], abs=1e-3)


@pytest.mark.parametrize(
    "results", [[], [{"index": 7, "score": 1}], [{"index": 0, "score": "NaN"}, {"index": 1, "score": 1}], 5, [{}]]
)
async def test_scores_that_are_none_are_garbage(
    server: Misbehaving, opened: Opening, monkeypatch: pytest.MonkeyPatch, results: object
) -> None:
    answering(monkeypatch, server, {"results": results})
    model = reranking(server.url)
    with pytest.raises(MemberError) as error:
        await rerank(model, "q", TEXTS[:2], opened(model))
    assert error.value.fault is Fault.GARBAGE


async def test_the_open_inference_protocol_reranks(
    server: Misbehaving, opened: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = reranking(server.host, protocol="open-inference")
    scores = {"name": "scores", "datatype": "FP32", "shape": [2, 1], "data": [0.25, 0.75]}
    answering(monkeypatch, server, outputs(scores))
    found, _ = await rerank(model, "q", TEXTS[:2], opened(model))
    assert found == [0.25, 0.75]
    assert [tensor["data"] for tensor in server.requests[0].body["inputs"]] == [["q", "q"], TEXTS[:2]]


async def test_logits_and_the_labels_of_the_metadata_are_categories(server: Misbehaving, opened: Opening) -> None:
    model = classifying(server)
    found, usage = await classify(model, ["seven c", "eight ch"], opened(model))
    assert [set(each) for each in found] == [{"good", "bad"}] * 2
    assert found[0]["good"] == pytest.approx(1 / (1 + np.e))
    assert found[1]["good"] == pytest.approx(0.5)
    assert usage.calls == 1


NUMBERS = {"name": "out", "datatype": "FP32"}
LABELS = {"name": "labels", "datatype": "BYTES", "shape": [3], "data": ["a", "b", "c"]}
CATEGORIES: Mapping[str, tuple[Mapping[str, object], list[dict[str, float]]]] = {
    "probabilities with labels": (
        outputs({**NUMBERS, "shape": [2, 3], "data": [0.5, 0.25, 0.25, 0, 0, 1]}, LABELS),
        [{"a": 0.5, "b": 0.25, "c": 0.25}, {"a": 0, "b": 0, "c": 1}],
    ),
    "nested lists": (
        outputs({**NUMBERS, "shape": [2, 2], "data": [[0.5, 0.5], [0, 1]]}),
        [{"good": 0.5, "bad": 0.5}, {"good": 0, "bad": 1}],
    ),
    "the second class alone": (
        outputs({**NUMBERS, "shape": [2, 1], "data": [0.25, 1]}),
        [{"good": 0.75, "bad": 0.25}, {"good": 0, "bad": 1}],
    ),
    "classes": (
        outputs({"name": "output-0", "datatype": "INT64", "shape": [2], "data": [1, 0]}),
        [{"bad": 1}, {"good": 1}],
    ),
    "classes that have no label": (
        outputs({"name": "output-0", "datatype": "INT64", "shape": [2], "data": [1_000_000, 1]}),
        [{"1000000": 1}, {"bad": 1}],
    ),
    "objects as Python writes them, as KServe does": (
        outputs(
            {
                "name": "output-0",
                "datatype": "BYTES",
                "shape": [2, 1],
                "data": ["{0: 0.0002, 1: 0.9998}", "{0: 0.9991, 1: 0.0009}"],
            }
        ),
        [{"0": 0.0002, "1": 0.9998}, {"0": 0.9991, "1": 0.0009}],
    ),
    "objects with their classes as texts": (
        outputs(
            {"name": "output-0", "datatype": "BYTES", "shape": [2], "data": [{"0": 0.25, "1": 0.75}, {"0": 1, "1": 0}]}
        ),
        [{"0": 0.25, "1": 0.75}, {"0": 1, "1": 0}],
    ),
    "objects as text, as MLServer has them": (
        outputs(
            {
                "name": "output",
                "datatype": "BYTES",
                "shape": [2],
                "data": ['{"label": "x", "score": 0.5}', '{"label": "y", "score": 1}'],
            }
        ),
        [{"x": 0.5}, {"y": 1}],
    ),
    "labels alone": (
        outputs({"name": "output", "datatype": "BYTES", "shape": [2], "data": ["spam", "ham"]}),
        [{"spam": 1}, {"ham": 1}],
    ),
    "more classes than labels": (
        outputs({**NUMBERS, "shape": [2, 3], "data": [1, 0, 0, 0, 1, 0]}),
        [{"0": 1, "1": 0, "2": 0}, {"0": 0, "1": 1, "2": 0}],
    ),
}


@pytest.mark.parametrize("name", CATEGORIES)
async def test_categories_are_understood_in_every_form(
    server: Misbehaving, opened: Opening, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    told, expected = CATEGORIES[name]
    answering(monkeypatch, server, told)
    model = classifying(server)
    found, _ = await classify(model, TEXTS[:2], opened(model))
    assert [dict(each) for each in found] == [pytest.approx(each) for each in expected]


@pytest.mark.parametrize(
    "told",
    [
        {},
        outputs(),
        outputs({**NUMBERS, "shape": [1], "data": [1]}),
        outputs({**NUMBERS, "data": ["x", "y"]}),
        outputs({**NUMBERS, "data": [{}, {}]}),
        outputs({**NUMBERS, "data": [[1], [1, 2]]}),
        outputs({"name": "o", "datatype": "BYTES", "data": [[1], [2]]}),
        outputs({"name": "o", "datatype": "BYTES", "data": ["one"]}),
        outputs({"name": "o", "datatype": "INT64", "data": [-1, 0]}),
    ],
    ids=str,
)
async def test_categories_that_are_none_are_garbage(
    server: Misbehaving, opened: Opening, monkeypatch: pytest.MonkeyPatch, told: object
) -> None:
    answering(monkeypatch, server, told)
    model = classifying(server)
    with pytest.raises(MemberError) as error:
        await classify(model, TEXTS[:2], opened(model))
    assert error.value.fault is Fault.GARBAGE


async def test_a_server_without_metadata_is_asked_all_the_same(server: Misbehaving, opened: Opening) -> None:
    server.script.append("404")
    model = classifying(server)
    found, _ = await classify(model, TEXTS[:1], opened(model))
    assert set(found[0]) == {"0", "1"}


@pytest.mark.parametrize("faults", [["500"], ["502"], ["404", "404"], ["400", "400"]], ids=str)
async def test_labels_that_a_server_could_not_tell_while_it_started_are_asked_for_again(
    server: Misbehaving, opened: Opening, faults: list[str]
) -> None:
    model = classifying(server)
    client = opened(model)
    server.script.extend(faults)
    with suppress(MemberError):
        await classify(model, TEXTS[:1], client)
    found, _ = await classify(model, TEXTS[:1], client)
    assert set(found[0]) == {"good", "bad"}


async def test_a_server_that_works_without_metadata_is_asked_for_it_once(server: Misbehaving, opened: Opening) -> None:
    model = classifying(server)
    client = opened(model)
    server.script.append("404")
    for _ in range(3):
        await classify(model, TEXTS[:1], client)
    assert server.calls["v2/models/classifier"] == 1


async def test_the_name_of_a_tensor_that_a_server_could_not_tell_is_asked_for_again(
    server: Misbehaving, opened: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    def named(asked: Asked, sound: Sound) -> Reply:
        return Reply.json({"inputs": [{"name": "text"}]}) if asked.method == "GET" else sound.reply(asked)

    monkeypatch.setitem(FAULTS, "named", named)
    server.fault = "named"
    server.script.append("500")
    model = embedding(server.host, protocol="open-inference")
    client = opened(model)
    for _ in range(2):
        await embed(model, TEXTS, client)
    names = [asked.body["inputs"][0]["name"] for asked in server.requests if asked.method == "POST"]
    assert names == ["input-0", "text"]
