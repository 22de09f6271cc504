"""Embedding by endpoints."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from ragstone.domain import EmbeddingModel, Matrix
from ragstone.errors import ModelUnavailableError, PromptTooLongError, RagstoneError
from ragstone.models.protocols.embed import embed
from ragstone.models.protocols.members import Members
from ragstone.models.protocols.usage import tokens_of
from ragstone.ports import Tokenizer

_BATCH = 32  # texts of a request
_AT_ONCE = 4  # requests
_PATIENCE = 300.0  # seconds that documents wait for servers that say when they can be asked again, and answer nothing
_SHORTEST_WAIT = 0.1  # seconds
# Servers refuse what is too long for the model, each by its own count; characters for each token that it reads:
_MOST_CHARACTERS = 8  # no more is ever read
_FEWER_CHARACTERS = (4, 2, 1)  # of prose, of code and numbers, of CJK


class EndpointEmbedder:
    """A model behind one or several endpoints; implements `ports.Embedder`.

    Somebody waits for the answer to a question, so this one gives up where servers want to be left alone for a while;
    `patient` makes its twin for documents.
    """

    def __init__(self, members: Members, tokenizer: Tokenizer | None = None, *, patience: float = 0.0) -> None:
        """Nothing is asked yet.

        Args:
            members: Who is asked.
            tokenizer: None: tokens are estimated from characters.
            patience: Seconds without any answer, in which servers that say when they can be are asked again.
        """
        self._members = members
        self._tokenizer = tokenizer
        self._patience = patience
        self._answered = -math.inf  # when any request was, on the event loop's clock

    def patient(self) -> EndpointEmbedder:
        """The same for documents, whose ingestion nobody watches: it waits where servers want to be left alone.

        That is for as long as they answer some of its requests, and five minutes more.
        """
        return EndpointEmbedder(self._members, self._tokenizer, patience=_PATIENCE)

    @property
    def model(self) -> EmbeddingModel:
        """What is stored beside the vectors."""
        model = self._members.model
        assert model.dimension is not None
        return EmbeddingModel(
            model.model or model.name,
            model.dimension,
            model.max_input_tokens,
            model.query_prefix,
            model.passage_prefix,
        )

    async def embed_passages(self, texts: Sequence[str]) -> Matrix:
        """Vectors of texts that will be found, shape (len(texts), dimension).

        Raises:
            ModelUnavailableError: No member can be asked.
        """
        return await self._embed(texts, self._members.model.passage_prefix)

    async def embed_queries(self, texts: Sequence[str]) -> Matrix:
        """Vectors of questions, shape (len(texts), dimension).

        Raises:
            ModelUnavailableError: No member can be asked.
        """
        return await self._embed(texts, self._members.model.query_prefix)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, as near as can be told: the server's own count is not asked for."""
        return [tokens_of(len(text)) for text in texts] if self._tokenizer is None else self._tokenizer.count(texts)

    async def _embed(self, texts: Sequence[str], prefix: str) -> Matrix:
        given = [prefix + text for text in texts]
        batches = [given[start : start + _BATCH] for start in range(0, len(given), _BATCH)]
        turns = asyncio.Semaphore(_AT_ONCE)

        async def embed_in_turn(batch: Sequence[str]) -> Matrix:
            async with turns:
                return await self._batch(batch)

        if len(batches) == 1:
            return await self._batch(batches[0])
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(embed_in_turn(batch)) for batch in batches]
        except BaseExceptionGroup as errors:
            # Not `except*`: what is raised under it comes out in a group of its own in early releases of Python 3.11.
            ours, others = errors.split(RagstoneError)
            if ours is None or others is not None:
                raise
            raise _first(ours) from None
        empty = np.empty((0, self.model.dimension), np.float32)
        return np.concatenate([empty, *(task.result() for task in tasks)])

    async def _batch(self, texts: Sequence[str]) -> Matrix:
        """In one request; if that is too long for the server, one by one."""
        longest = self._members.model.max_input_tokens * _MOST_CHARACTERS
        try:
            return await self._request([text[:longest] for text in texts])
        except PromptTooLongError:
            if len(texts) == 1:
                return await self._cut(texts[0][:longest])
        return np.concatenate([await self._batch([text]) for text in texts])

    async def _cut(self, text: str) -> Matrix:
        """One that was too long, shorter and shorter."""
        for characters in _FEWER_CHARACTERS:
            longest = self._members.model.max_input_tokens * characters
            if len(text) <= longest:
                continue
            text = text[:longest]
            with suppress(PromptTooLongError):
                return await self._request([text])
        raise PromptTooLongError(
            f"The model {self.model.name} takes no text of {len(text):,} characters",
            remedy="Lower its max_input_tokens to what its server takes",
        )

    async def _request(self, texts: Sequence[str]) -> Matrix:
        """Each request waits by itself: what was answered meanwhile is kept, and not paid for twice."""
        clock = asyncio.get_running_loop().time
        tokens, begun = tokens_of(sum(map(len, texts))), clock()
        while True:
            try:
                matrix = await self._members.call(lambda model, client: embed(model, texts, client), tokens)
            except ModelUnavailableError as error:
                if error.retry_after is None:
                    raise
                wait = max(error.retry_after, _SHORTEST_WAIT)
                if clock() + wait > max(begun, self._answered) + self._patience:
                    raise
            else:
                self._answered = clock()
                return matrix
            await asyncio.sleep(wait)


def _first(errors: BaseExceptionGroup[RagstoneError]) -> RagstoneError:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, RagstoneError)
    return error
