"""How well texts answer a question, by one member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from pydantic import AliasChoices, BaseModel, Field, ValidationError

from ragstone.domain import Usage
from ragstone.models.protocols.client import Client
from ragstone.models.protocols.deadlines import Deadlines
from ragstone.models.protocols.discovery import named
from ragstone.models.protocols.inference import infer, numeric, texts_tensor
from ragstone.models.protocols.numbers import finite, sigmoid
from ragstone.models.protocols.openai import place_of, without_gaps
from ragstone.models.protocols.trouble import Speaker, garbage
from ragstone.models.protocols.usage import priced, tokens_of
from ragstone.settings.models import Model, Protocol

_MOST = 16 << 20  # bytes; some servers repeat the texts


class _Result(BaseModel):
    index: int
    score: float = Field(validation_alias=AliasChoices("relevance_score", "score"))


class _Usage(BaseModel):
    total_tokens: int | None = None


class _Ranking(BaseModel):
    results: list[_Result]
    usage: _Usage | None = None


async def rerank(model: Model, query: str, texts: Sequence[str], client: Client) -> tuple[Sequence[float], Usage]:
    """The relevance of each text, 0 to 1, in the order of the texts; and what that took.

    Some servers tell log-odds instead: once one was seen to leave 0 to 1, all that it tells is taken for log-odds.

    Raises:
        MemberError: The member does not answer as it should; a key that cannot be read counts as unauthorized.
    """
    deadlines = Deadlines(model.timeouts)
    ask = _infer if model.protocol is Protocol.OIP else _rerank
    scores, tokens, speaker = await ask(model, query, texts, client, deadlines)
    try:
        values = finite(scores)
    except ValueError as error:
        raise garbage(speaker, str(error)) from None
    client.tells_logits |= bool(np.any((values < 0) | (values > 1)))
    relevance: npt.NDArray[np.float64] = sigmoid(values) if client.tells_logits else values
    read = tokens_of(len(texts) * len(query) + sum(map(len, texts))) if tokens is None else tokens
    return [float(value) for value in relevance], priced(model, Usage(input_tokens=read, calls=1))


async def _rerank(
    model: Model, query: str, texts: Sequence[str], client: Client, deadlines: Deadlines
) -> tuple[Sequence[float], int | None, Speaker]:
    name = await named(model, client, deadlines)
    body: Mapping[str, object] = {"model": name, "query": query, "documents": list(texts), "top_n": len(texts)}
    async with await client.post("/rerank", without_gaps(model, body), deadlines, "\n".join([query, *texts])) as answer:
        content = await answer.whole(_MOST)
    try:
        told = _Ranking.model_validate_json(content)
    except ValidationError as error:
        raise garbage(answer.speaker, place_of(error)) from None
    scores = {result.index: result.score for result in told.results}
    if scores.keys() != set(range(len(texts))):
        raise garbage(answer.speaker, f"it has scores of {len(scores)} texts out of {len(texts)}")
    tokens = told.usage.total_tokens if told.usage else None
    return [scores[index] for index in range(len(texts))], tokens, answer.speaker


async def _infer(
    model: Model, query: str, texts: Sequence[str], client: Client, deadlines: Deadlines
) -> tuple[Sequence[float], int | None, Speaker]:
    inputs = [texts_tensor("query", [query] * len(texts)), texts_tensor("text", texts)]
    outputs, speaker = await infer(model, inputs, client, deadlines)
    tensor = numeric(outputs, "scores")
    try:
        rows = None if tensor is None else tensor.rows(len(texts))
    except ValueError:
        rows = None
    if rows is None or rows.shape[1] != 1:
        raise garbage(speaker, "it does not have one score for each text")
    return [float(value) for value in rows[:, 0]], None, speaker
