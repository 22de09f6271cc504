"""An embedder that remembers, so that a second run of a benchmark is quick."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ragstone.domain import EmbeddingModel, Matrix
from ragstone.models.minilm.embedder import MiniLM


class RememberingEmbedder:
    """The embedder of the product, with its vectors kept in a file between runs."""

    def __init__(self, embedder: MiniLM, file: Path | None) -> None:
        """Without a file nothing outlives the run."""
        self._embedder = embedder
        self._file = file
        self._vectors: dict[str, Matrix] = {}
        if file is not None and file.exists():
            with np.load(file) as stored:
                self._vectors = dict(zip(stored["keys"].tolist(), stored["vectors"], strict=True))

    @property
    def model(self) -> EmbeddingModel:
        """What is stored beside the vectors."""
        return self._embedder.model

    async def embed_passages(self, texts: Sequence[str]) -> Matrix:
        """Vectors of texts, shape (len(texts), dimension)."""
        keys = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._vectors}
        self._vectors.update(zip(missing, self._embedder.embed(list(missing.values())), strict=True))
        return np.array([self._vectors[key] for key in keys], np.float32).reshape(len(texts), self.model.dimension)

    async def embed_queries(self, texts: Sequence[str]) -> Matrix:
        """As `embed_passages`: the model makes no difference."""
        return await self.embed_passages(texts)

    def save(self) -> None:
        """Write what was embedded."""
        if self._file is not None:
            np.savez(self._file, keys=np.array(list(self._vectors)), vectors=np.array(list(self._vectors.values())))
