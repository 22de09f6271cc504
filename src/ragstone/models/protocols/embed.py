"""Vectors of texts by one member."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ValidationError

from ragstone.domain import Matrix, Usage
from ragstone.models.protocols.client import Client
from ragstone.models.protocols.deadlines import Deadlines
from ragstone.models.protocols.discovery import named
from ragstone.models.protocols.inference import infer, metadata, numeric, texts_tensor
from ragstone.models.protocols.numbers import single, unit_rows
from ragstone.models.protocols.openai import address, place_of, without_gaps
from ragstone.models.protocols.trouble import Speaker, garbage
from ragstone.models.protocols.usage import priced, tokens_of
from ragstone.settings.models import Model, Protocol

_MOST = 64 << 20  # bytes of vectors


class _Vector(BaseModel):
    index: int
    embedding: str | list[float] | list[list[float]]


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    total_tokens: int | None = None


class _Vectors(BaseModel):
    data: list[_Vector]
    usage: _Usage | None = None


async def embed(model: Model, texts: Sequence[str], client: Client) -> tuple[Matrix, Usage]:
    """Vectors of the texts, shape (len(texts), dimension), in one request; and what that took.

    Raises:
        MemberError: The member does not answer as it should; a key that cannot be read counts as unauthorized.
    """
    deadlines = Deadlines(model.timeouts)
    ask = _infer if model.protocol is Protocol.OIP else _embeddings
    rows, tokens, speaker = await ask(model, texts, client, deadlines)
    if rows.shape != (len(texts), model.dimension):
        raise garbage(speaker, f"its vectors have {rows.shape[-1]} dimensions, the setting says {model.dimension}")
    try:
        matrix = unit_rows(rows)
    except ValueError as error:
        raise garbage(speaker, str(error)) from None
    read = tokens_of(sum(map(len, texts))) if tokens is None else tokens
    return matrix, priced(model, Usage(input_tokens=read, calls=1))


async def _embeddings(
    model: Model, texts: Sequence[str], client: Client, deadlines: Deadlines
) -> tuple[npt.NDArray[np.float32], int | None, Speaker]:
    name = await named(model, client, deadlines)
    body: Mapping[str, object] = {"model": name, "input": list(texts), "encoding_format": "base64"}
    path, whole = address(model, name, "embeddings"), without_gaps(model, body)
    async with await client.post(path, whole, deadlines, "\n".join(texts)) as answer:
        content = await answer.whole(_MOST)
    try:
        told = _Vectors.model_validate_json(content)
    except ValidationError as error:
        raise garbage(answer.speaker, place_of(error)) from None
    if sorted(vector.index for vector in told.data) != list(range(len(texts))):
        raise garbage(answer.speaker, f"it has {len(told.data)} vectors for {len(texts)} texts")
    try:
        rows = [_numbers(vector.embedding) for vector in sorted(told.data, key=lambda vector: vector.index)]
        matrix = np.stack(rows)
    except (ValueError, binascii.Error):
        raise garbage(answer.speaker, "its vectors are of different kinds or lengths") from None
    usage = told.usage or _Usage()
    return matrix, usage.prompt_tokens if usage.prompt_tokens is not None else usage.total_tokens, answer.speaker


def _numbers(embedding: str | list[float] | list[list[float]]) -> npt.NDArray[np.float32]:
    """Servers tell base64 of little-endian FP32, or numbers; some wrap the latter once more."""
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding, validate=True), "<f4")
    numbers = single(embedding)
    return numbers[0] if numbers.ndim > 1 and len(numbers) == 1 else numbers


async def _infer(
    model: Model, texts: Sequence[str], client: Client, deadlines: Deadlines
) -> tuple[npt.NDArray[np.float32], int | None, Speaker]:
    name = (await metadata(model, client, deadlines)).input_name
    outputs, speaker = await infer(model, [texts_tensor(name, texts)], client, deadlines)
    tensor = numeric(outputs, "embeddings")
    if tensor is None:
        raise garbage(speaker, "none of its outputs is made of numbers")
    try:
        return single(tensor.rows(len(texts))), None, speaker
    except ValueError:
        raise garbage(speaker, "its vectors are not as many as the texts") from None
