"""`POST /v1/embeddings`: vectors of texts, by the model that the stores are searched with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from ragstone.api.door.identity import Reading
from ragstone.api.shapes.embeddings import Encoding, check_dimensions, embeddings
from ragstone.api.streams import unheard, unless_gone
from ragstone.bootstrap import House
from ragstone.domain import EmbeddingModel, Matrix
from ragstone.errors import InvalidRequestError, ModelNotFoundError
from ragstone.models.minilm.embedder import MiniLM

if TYPE_CHECKING:
    from ragstone.models.protocols.embedder import EndpointEmbedder

router = APIRouter(prefix="/v1/embeddings", tags=["embeddings"])

_AT_ONCE = 8  # texts between which the texts of others have their turn
_MOST = 2048  # texts of a request
_AROUND = 2  # tokens that the model reads around every text

# Of all requests together: whoever has thousands of texts leaves the other cores to those who have a question.
_thread = ThreadPoolExecutor(1, thread_name_prefix="embeddings")


class EmbeddingRequest(BaseModel):
    """The body of a request for vectors; tokens are not read, since those of other models mean nothing here."""

    model: str
    input: (
        str
        | Annotated[list[str], Field(fail_fast=True)]
        | Annotated[list[int], Field(fail_fast=True)]
        | Annotated[list[Annotated[list[int], Field(fail_fast=True)]], Field(fail_fast=True)]
    )
    encoding_format: Encoding = Encoding.FLOAT
    dimensions: int | None = Field(default=None, ge=1)


@router.post("", response_model=dict[str, object])
async def create_embeddings(body: EmbeddingRequest, request: Request, _: Reading) -> Response:
    """Vectors of unit length, one a text, in the order of the texts."""
    house: House = request.app.state.house
    embedder = house.embedder
    model = embedder.model
    if body.model != model.name:
        raise ModelNotFoundError(f"There is no model {body.model} that embeds", remedy=f"Ask for {model.name}")
    check_dimensions(body.dimensions, model)
    texts = _texts(body)
    made = await unless_gone(request, _embedded(embedder, texts))
    if made is None:
        return unheard()
    counts, vectors = made
    answer = {
        **embeddings(vectors, model.name, sum(counts), body.encoding_format),
        **_cut_off(counts, model),
    }
    content = await asyncio.get_running_loop().run_in_executor(_thread, _json, answer)
    return Response(content, media_type="application/json")


async def _embedded(embedder: MiniLM | EndpointEmbedder, texts: Sequence[str]) -> tuple[Sequence[int], Matrix]:
    """The tokens of each text, and the vectors, shape (len(texts), dimension)."""
    loop = asyncio.get_running_loop()
    if not isinstance(embedder, MiniLM):  # servers are waited for without holding up others
        counts = await loop.run_in_executor(_thread, embedder.count, texts)
        return counts, await embedder.embed_passages(texts)
    counts, vectors = [], []
    for start in range(0, len(texts), _AT_ONCE):
        some = texts[start : start + _AT_ONCE]
        counts += await loop.run_in_executor(_thread, embedder.count, some)
        vectors.append(await loop.run_in_executor(_thread, embedder.embed, some))
    return counts, np.concatenate(vectors)


def _texts(body: EmbeddingRequest) -> list[str]:
    texts = [body.input] if isinstance(body.input, str) else body.input
    words = [text for text in texts if isinstance(text, str)]
    if len(texts) > _MOST:
        raise InvalidRequestError(
            f"The input has {len(texts):,} texts", why=f"at most {_MOST:,} are taken", remedy="Send fewer at once"
        )
    if len(words) < len(texts):
        raise InvalidRequestError(
            "The input is tokens", why="they are those of another model", remedy="Send the texts", param="input"
        )
    empty = next((place for place, text in enumerate(words) if not text.strip()), None)
    if not words or empty is not None:
        raise InvalidRequestError(
            f"Text {empty or 0} of the input is empty", remedy="Send at least one word for each vector", param="input"
        )
    return words


def _cut_off(counts: Sequence[int], model: EmbeddingModel) -> dict[str, object]:
    """The word that not all was read, if it was not."""
    longest = model.max_tokens - _AROUND
    cut = sum(count > longest for count in counts)
    reason = f"{cut} of the texts have more than {longest} tokens; only so much of them is in their vectors"
    return {"degraded": True, "degraded_reason": reason} if cut else {}


def _json(answer: dict[str, object]) -> bytes:
    """The answer, one vector after the other: as a whole it would hold up all other threads."""
    data = answer["data"]
    assert isinstance(data, list)
    vectors = ",".join(json.dumps(vector, separators=(",", ":")) for vector in data)
    rest = json.dumps({name: value for name, value in answer.items() if name != "data"})
    return f'{{"data":[{vectors}],{rest[1:]}'.encode()
