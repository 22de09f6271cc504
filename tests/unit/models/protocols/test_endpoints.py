"""The embedder, the reranker and the classifier, as the steps see them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import pytest
from misbehaving import Misbehaving
from model_faults import FAULTS
from model_replies import DIMENSION, Asked, Reply, Sound, vector_of
from unit.models.protocols.conftest import Opening, member

from ragstone.domain import EmbeddingModel, Matrix, Usage
from ragstone.errors import ModelUnavailableError, PromptTooLongError
from ragstone.fakes.models import WordTokenizer
from ragstone.models.faults import Fault, MemberError
from ragstone.models.protocols import Client
from ragstone.models.protocols import embedder as embedder_module
from ragstone.models.protocols.classifier import EndpointClassifier
from ragstone.models.protocols.embedder import EndpointEmbedder
from ragstone.models.protocols.reranker import EndpointReranker
from ragstone.settings.models import Model

pytestmark = pytest.mark.anyio

T = TypeVar("T")


class One:
    """A team of one member, which nobody stands in for."""

    def __init__(self, model: Model, client: Client) -> None:
        self.model = model
        self.asked_for: list[int] = []
        self.open = self.most_open = 0
        self._client = client

    async def call(self, ask: Callable[[Model, Client], Awaitable[tuple[T, Usage]]], tokens: int) -> T:
        self.asked_for.append(tokens)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            value, _ = await ask(self.model, self._client)
        except MemberError as error:
            if error.fault is Fault.TOO_LONG:
                raise PromptTooLongError("It is too long") from None
            raise ModelUnavailableError("Nobody can be asked", retry_after=error.retry_after) from None
        finally:
            self.open -= 1
        return value


Embedding = Callable[..., tuple[EndpointEmbedder, One]]


@pytest.fixture
def embedding(server: Misbehaving, opened: Opening) -> Embedding:
    """An embedder at the server, and its team."""

    def make(**fields: Any) -> tuple[EndpointEmbedder, One]:
        model = member(server.url, kind="embedding", dimension=DIMENSION, **fields)
        team = One(model, opened(model))
        return EndpointEmbedder(team), team

    return make


def unit(text: str) -> Sequence[float]:
    vector = vector_of(text)
    length: Sequence[float] = (vector / np.linalg.norm(vector)).tolist()
    return length


def test_an_embedder_is_known_by_the_servers_name_of_its_model(embedding: Embedding) -> None:
    assert embedding(max_input_tokens=99)[0].model == EmbeddingModel("m", DIMENSION, 99)
    assert embedding(model=None)[0].model == EmbeddingModel("one", DIMENSION, 512)


async def test_many_texts_are_embedded_in_batches_a_few_at_a_time(embedding: Embedding, server: Misbehaving) -> None:
    embedder, team = embedding()
    server.sound.first = 0.02
    texts = [f"text {number}" for number in range(333)]
    matrix = await embedder.embed_passages(texts)
    np.testing.assert_allclose(matrix, [unit(text) for text in texts], atol=1e-6)
    assert max(len(asked.body["input"]) for asked in server.requests) == 32
    assert team.most_open == 4


async def test_no_text_has_no_vector(embedding: Embedding, server: Misbehaving) -> None:
    matrix = await embedding()[0].embed_passages([])
    assert matrix.shape == (0, DIMENSION)
    assert server.asked == 0


async def test_questions_and_passages_have_their_own_prefixes(embedding: Embedding, server: Misbehaving) -> None:
    embedder, _ = embedding(query_prefix="query: ", passage_prefix="passage: ")
    await embedder.embed_queries(["one"])
    await embedder.embed_passages(["two"])
    assert [asked.body["input"] for asked in server.requests] == [["query: one"], ["passage: two"]]


async def test_a_text_that_is_too_long_is_cut_and_the_others_are_not(
    embedding: Embedding, server: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    def strict(asked: Asked, sound: Sound) -> Reply:
        if any(len(text) > 60 for text in asked.body["input"]):
            return Reply.error(400, "this model's maximum context length is 60")
        return sound.reply(asked)

    monkeypatch.setitem(FAULTS, "strict", strict)
    server.fault = "strict"
    embedder, _ = embedding(max_input_tokens=16)
    matrix = await embedder.embed_passages(["short", "word " * 100, "also short"])
    expected = [unit("short"), unit(("word " * 100)[:32]), unit("also short")]
    np.testing.assert_allclose(matrix, expected, atol=1e-6)


async def test_a_text_that_is_too_long_however_short_is_an_error(embedding: Embedding, server: Misbehaving) -> None:
    server.fault = "400-context"
    with pytest.raises(PromptTooLongError):
        await embedding()[0].embed_queries(["word"])
    assert server.asked == 1


async def test_one_error_ends_all_batches(embedding: Embedding, server: Misbehaving) -> None:
    server.script.extend(["", "500"])
    with pytest.raises(ModelUnavailableError):
        await embedding()[0].embed_passages(["text"] * 500)
    assert server.asked < 10


async def test_documents_wait_for_a_server_that_says_when_and_questions_do_not(
    embedding: Embedding, server: Misbehaving
) -> None:
    embedder, team = embedding()
    server.script.extend(["429-soon", "429-soon"])
    assert (await embedder.patient().embed_passages(["a"])).shape == (1, DIMENSION)
    assert len(team.asked_for) == 3
    for ask in (embedder.embed_queries, embedder.embed_passages):  # an answer embeds the passages that it rests on
        server.script.append("429-soon")
        with pytest.raises(ModelUnavailableError):
            await ask(["a"])
    assert len(team.asked_for) == 5


async def test_a_request_that_has_to_wait_leaves_the_answers_of_the_others(
    embedding: Embedding, server: Misbehaving
) -> None:
    embedder, _ = embedding()
    server.script.extend(["", "429-soon", "", ""])
    texts = [f"text {number}" for number in range(128)]
    matrix = await embedder.patient().embed_passages(texts)
    np.testing.assert_allclose(matrix, [unit(text) for text in texts], atol=1e-6)
    assert server.faults == {"": 4, "429-soon": 1}, "texts were paid for twice"


class Rationed:
    """A team that can be asked again at once and answers every so many requests, each of which takes 100 seconds."""

    def __init__(self, every: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.model = member("http://127.0.0.1:1/v1", kind="embedding", dimension=DIMENSION)
        self.asked = 0
        self._every = every
        self._client = Client(self.model)
        monkeypatch.setattr(embedder_module, "embed", self._embed)
        monkeypatch.setattr(embedder_module, "_SHORTEST_WAIT", 0.0)
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: 100.0 * self.asked)

    async def call(self, ask: Callable[[Model, Client], Awaitable[tuple[T, Usage]]], tokens: int) -> T:
        assert tokens
        self.asked += 1
        if self.asked % self._every:
            raise ModelUnavailableError("Its minute is used up", retry_after=0.0)
        value, _ = await ask(self.model, self._client)
        return value

    async def _embed(self, _: Model, texts: Sequence[str], __: Client) -> tuple[Matrix, Usage]:
        return np.ones((len(texts), DIMENSION), np.float32), Usage(calls=1)


async def test_documents_wait_for_as_long_as_some_of_their_requests_are_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    team = Rationed(3, monkeypatch)
    matrix = await EndpointEmbedder(team).patient().embed_passages(["text"] * 256)
    assert matrix.shape == (256, DIMENSION)
    assert team.asked == 24


async def test_documents_wait_no_longer_for_a_server_that_answers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    team = Rationed(1000, monkeypatch)
    with pytest.raises(ModelUnavailableError):
        await EndpointEmbedder(team).patient().embed_passages(["text"] * 256)
    assert team.asked < 10


async def test_nobody_waits_for_a_server_that_does_not_say_when(embedding: Embedding, server: Misbehaving) -> None:
    embedder, team = embedding()
    server.script.append("500")
    with pytest.raises(ModelUnavailableError):
        await embedder.patient().embed_passages(["a"])
    assert len(team.asked_for) == 1


def test_tokens_are_counted_or_estimated(embedding: Embedding) -> None:
    embedder, team = embedding()
    assert embedder.count(["", "four", "12345"]) == [0, 1, 2]
    assert EndpointEmbedder(team, WordTokenizer()).count(["three small words"]) == [3]


async def test_a_reranker_scores_texts(server: Misbehaving, opened: Opening) -> None:
    model = member(server.url, kind="rerank")
    team = One(model, opened(model))
    reranker = EndpointReranker(team)
    assert reranker.identity == "m"
    assert list(await reranker.rerank("first text", ["the first text", "nothing"])) == [1.0, 0.0]
    assert list(await reranker.rerank("first text", [])) == []
    assert team.asked_for == [11]


async def test_a_classifier_puts_texts_into_categories(server: Misbehaving, opened: Opening) -> None:
    model = member(server.host, kind="classify", protocol="open-inference", model="classifier")
    classifier = EndpointClassifier(One(model, opened(model)))
    (found,) = await classifier.classify(["eight ch"])
    assert dict(found) == pytest.approx({"good": 0.5, "bad": 0.5})
    assert await classifier.classify([]) == ()
