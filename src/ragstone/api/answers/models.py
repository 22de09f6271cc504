"""Models, and the vectors that one of them makes."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from ragstone.api.answers.additions import Absent


class Model(BaseModel):
    """A store that answers, or the model that embeds."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(BaseModel):
    """All models."""

    object: Literal["list"]
    data: list[Model]


class Embedding(BaseModel):
    """A vector of unit length."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str = Field(description="Numbers, or base64 of 4 bytes a number, little-endian.")


class EmbeddingUsage(BaseModel):
    """Tokens of all texts together."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(BaseModel):
    """The vectors of texts, in their order."""

    object: Literal["list"]
    model: str
    data: list[Embedding]
    usage: EmbeddingUsage
    degraded: Absent[Literal[True]] = Field(default=None, description="Texts were cut.")
    degraded_reason: Absent[str] = None
