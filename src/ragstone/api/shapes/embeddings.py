"""Vectors of texts, as numbers or packed."""

from __future__ import annotations

import base64
from enum import StrEnum

import numpy as np

from ragstone.domain import EmbeddingModel, Matrix, Vector
from ragstone.errors import InvalidRequestError


class Encoding(StrEnum):
    """How a vector is written."""

    FLOAT = "float"  # a list of numbers
    BASE64 = "base64"  # of 4 bytes a number, little-endian


def check_dimensions(asked: int | None, model: EmbeddingModel) -> None:
    """Refuse to shorten vectors: this model is not trained for it.

    Raises:
        InvalidRequestError: Another number of dimensions than the model's is asked for.
    """
    if asked is not None and asked != model.dimension:
        raise InvalidRequestError(
            f"{model.name} has {model.dimension} dimensions, not {asked}",
            remedy=f"Leave dimensions out or ask for {model.dimension}",
        )


def embeddings(vectors: Matrix, model: str, tokens: int, encoding: Encoding = Encoding.FLOAT) -> dict[str, object]:
    """The vectors of a request's texts in their order; `tokens` are those of all texts together."""
    return {
        "object": "list",
        "model": model,
        "data": [
            {"object": "embedding", "index": index, "embedding": _written(vector, encoding)}
            for index, vector in enumerate(vectors)
        ],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _written(vector: Vector, encoding: Encoding) -> str | list[float]:
    if encoding is Encoding.BASE64:
        return base64.b64encode(vector.astype(np.dtype("<f4")).tobytes()).decode("ascii")
    numbers: list[float] = vector.tolist()
    return numbers
