"""The protocols against a real model server: llama.cpp's, with a tiny model that speaks nonsense."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from llama import KEY, NAME, llama_server
from llama_model import WIDTH

from ragstone.domain import ChatRequest, Ended, Finish, Message, Piece, Role
from ragstone.models.faults import Fault, MemberError
from ragstone.models.protocols import Client, embed, open_chat, rerank
from ragstone.settings.models import Model

pytestmark = pytest.mark.anyio

REQUEST = ChatRequest(
    (Message(Role.SYSTEM, "Be brief."), Message(Role.USER, "Where does it stand?")), max_tokens=12, seed=7
)
SCHEMA = {
    "type": "object",
    "properties": {"answer": {"enum": ["yes", "no"]}, "steps": {"type": "integer"}},
    "required": ["answer", "steps"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("llama")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with llama_server(folder) as address:
        yield address


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    return file


@pytest.fixture
def model(url: str, key_file: Path) -> Model:
    return Model.model_validate({"name": "llama", "url": url, "key_file": key_file, "json_schema": True})


@pytest.fixture
async def client(anyio_backend: str, model: Model) -> AsyncIterator[Client]:
    client = Client(model)
    yield client
    await client.close()


async def told(model: Model, request: ChatRequest, client: Client) -> tuple[str, Ended]:
    """All of an answer: its text and its end."""
    text = ""
    async with aclosing(open_chat(model, request, client)) as events:
        async for event in events:
            if isinstance(event, Ended):
                return text, event
            text += event.text
    raise AssertionError("there was no end")


async def test_an_answer_is_streamed_with_its_usage(model: Model, client: Client) -> None:
    text, ended = await told(model, REQUEST, client)
    assert text
    assert (ended.model, ended.member, ended.usage.calls) == (NAME, "llama", 1)
    assert 1 < ended.usage.output_tokens <= 12
    assert 40 < ended.usage.input_tokens < 100  # of about a character each
    again, _ = await told(model, REQUEST, client)
    assert again == text, "the seed was not heeded"


async def test_the_limit_of_tokens_is_the_reason_to_stop_there(model: Model, client: Client) -> None:
    _, ended = await told(model, replace(REQUEST, max_tokens=2), client)
    assert (ended.finish, ended.usage.output_tokens) == (Finish.LENGTH, 2)


async def test_the_prefix_that_was_read_before_is_told(model: Model, client: Client) -> None:
    await told(model, REQUEST, client)
    _, ended = await told(model, REQUEST, client)
    assert 0 < ended.usage.cached_tokens <= ended.usage.input_tokens


async def test_an_answer_ends_where_it_is_told_to(model: Model, client: Client) -> None:
    whole, _ = await told(model, REQUEST, client)
    text, ended = await told(model, replace(REQUEST, stop=(whole[4],)), client)
    assert text == whole[: whole.index(whole[4])]
    assert ended.finish is Finish.STOP


async def test_a_json_schema_is_kept_to(model: Model, client: Client) -> None:
    text, ended = await told(model, replace(REQUEST, json_schema=SCHEMA, max_tokens=200), client)
    assert ended.finish is Finish.STOP
    value = json.loads(text)
    assert set(value) == {"answer", "steps"}
    assert value["answer"] in {"yes", "no"}


async def test_a_prompt_beyond_the_window_is_too_long(model: Model, client: Client) -> None:
    request = ChatRequest((Message(Role.USER, "secret words " * 1000),))
    with pytest.raises(MemberError) as error:
        await told(model, request, client)
    assert error.value.fault is Fault.TOO_LONG
    assert not error.value.said
    assert "secret" not in str(error.value)
    assert (await told(model, REQUEST, client))[0], "the next one is answered"


async def test_a_wrong_key_is_unauthorized_until_it_is_replaced(model: Model, client: Client, key_file: Path) -> None:
    key_file.write_text("sk-wrong-0123456789")
    with pytest.raises(MemberError) as error:
        await told(model, REQUEST, client)
    assert error.value.fault is Fault.UNAUTHORIZED
    assert "sk-wrong" not in str(error.value)
    key_file.write_text(KEY)
    assert (await told(model, REQUEST, client))[0]


async def test_leaving_ends_the_servers_work(model: Model, client: Client) -> None:
    for _ in range(4):  # it has two places
        async with aclosing(open_chat(model, replace(REQUEST, max_tokens=1500), client)) as events:
            async for event in events:
                assert isinstance(event, Piece)
                break
    text, _ = await told(model, REQUEST, client)
    assert text


async def test_it_embeds(folder: Path, key_file: Path) -> None:
    with llama_server(folder, "embedding") as url:
        fields = {"name": "llama", "kind": "embedding", "url": url, "key_file": key_file, "dimension": WIDTH}
        model = Model.model_validate(fields)
        client = Client(model)
        matrix, usage = await embed(model, ["one text", "quite another"], client)
        swapped, _ = await embed(model, ["quite another", "one text"], client)
        with pytest.raises(MemberError) as error:
            await embed(model, ["short", "long " * 2000], client)
        await client.close()
    np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(matrix, swapped[::-1], atol=1e-4)
    assert usage.input_tokens > 5
    assert error.value.fault is Fault.TOO_LONG


async def test_it_reranks(folder: Path, key_file: Path) -> None:
    texts = ["one text", "quite another", "the third"]
    with llama_server(folder, "rerank") as url:
        model = Model.model_validate({"name": "llama", "kind": "rerank", "url": url, "key_file": key_file})
        client = Client(model)
        scores, usage = await rerank(model, "a question", texts, client)
        await client.close()
    # What a model without a head for it says is nothing to compare; that it comes as probabilities is.
    assert len(scores) == 3
    assert all(0 < score < 1 for score in scores)
    assert usage.input_tokens > 10
