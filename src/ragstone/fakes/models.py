"""Embedder and tokenizer without a model: the same words give the same vector."""

from __future__ import annotations

import re
from collections.abc import Sequence
from zlib import crc32

import numpy as np

from ragstone.domain import EmbeddingModel, Matrix, Vector

_WORD = re.compile(r"\w+")
_TOKEN = re.compile(r"\w+|[^\w\s]")


class HashingEmbedder:
    """Adds up a fixed random direction for every word, so texts that share words are near each other."""

    def __init__(self, dimension: int = 64, name: str = "hashing") -> None:
        self.model = EmbeddingModel(name=name, dimension=dimension, max_tokens=256)

    async def embed_passages(self, texts: Sequence[str]) -> Matrix:
        """Vectors of texts that will be found, shape (len(texts), dimension)."""
        vectors = [self._embed(text) for text in texts]
        return np.array(vectors, np.float32).reshape(len(texts), self.model.dimension)

    async def embed_queries(self, texts: Sequence[str]) -> Matrix:
        """Vectors of questions, shape (len(texts), dimension)."""
        return await self.embed_passages(texts)

    def _embed(self, text: str) -> Vector:
        words = _WORD.findall(text.lower()) or [""]
        total = sum((self._direction(word) for word in words), start=np.zeros(self.model.dimension, np.float32))
        return total / np.linalg.norm(total)

    def _direction(self, word: str) -> Vector:
        return np.random.default_rng(crc32(word.encode())).standard_normal(self.model.dimension, np.float32)


class WordTokenizer:
    """Counts words and marks."""

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without any limit."""
        return [len(_TOKEN.findall(text)) for text in texts]
