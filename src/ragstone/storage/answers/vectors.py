"""Vectors that a model server computed before: asked for once, remembered for all replicas.

Only for embedders that are asked over a network: the local one is quicker than a look into the database.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from hashlib import sha256

import numpy as np

from ragstone.domain import Asker, EmbeddingModel, Matrix, Vector
from ragstone.errors import RagstoneError
from ragstone.observe import metrics
from ragstone.ports import Embedder
from ragstone.storage.database import Database, scope
from ragstone.storage.statements import statement

_FLOAT = np.dtype("<f4")

_log = logging.getLogger(__name__)


class RememberingEmbedder:
    """An embedder that asks the one behind it only for what a tenant has not had embedded lately.

    A database that does not answer costs the vectors that it remembers, not the embedding.
    """

    def __init__(self, embedder: Embedder, database: Database, asker: Asker, *, hours: float = 24.0) -> None:
        """Remember for this asker's tenant, for so many hours."""
        self._embedder = embedder
        self._database = database
        self._asker = asker
        self._lifetime = timedelta(hours=hours)

    @property
    def model(self) -> EmbeddingModel:
        """What is stored beside the vectors."""
        return self._embedder.model

    async def embed_passages(self, texts: Sequence[str]) -> Matrix:
        """Vectors of texts that will be found, shape (len(texts), dimension)."""
        return await self._embed("passage", texts, self._embedder.embed_passages)

    async def embed_queries(self, texts: Sequence[str]) -> Matrix:
        """Vectors of questions, shape (len(texts), dimension)."""
        return await self._embed("query", texts, self._embedder.embed_queries)

    async def _embed(
        self, kind: str, texts: Sequence[str], make: Callable[[Sequence[str]], Awaitable[Matrix]]
    ) -> Matrix:
        keys = {text: _key(self.model, kind, text) for text in texts}
        known = await self._known(sorted(set(keys.values())))
        missing = [text for text, key in keys.items() if key not in known]
        if missing:
            made = dict(zip((keys[text] for text in missing), await make(missing), strict=True))
            await self._keep(made)
            known = {**known, **made}
        metrics.CACHE.labels("embeddings", "hit").inc(len(keys) - len(missing))
        metrics.CACHE.labels("embeddings", "miss").inc(len(missing))
        vectors = [known[keys[text]] for text in texts]
        return np.array(vectors, np.float32).reshape(len(texts), self.model.dimension)

    async def _known(self, keys: list[bytes]) -> Mapping[bytes, Vector]:
        try:
            async with self._database.transaction(self._asker) as connection:
                cursor = await connection.execute(
                    statement("caches", "known_vectors"), {**scope(self._asker), "keys": keys}
                )
                return {key: np.frombuffer(vector, _FLOAT) for key, vector in await cursor.fetchall()}
        except RagstoneError as error:
            _log.warning("remembered vectors cannot be looked up: %s", error)
            return {}

    async def _keep(self, made: Mapping[bytes, Vector]) -> None:
        rows = {
            **scope(self._asker),
            "keys": list(made),
            "packed": [np.asarray(vector, _FLOAT).tobytes() for vector in made.values()],
            "lifetime": self._lifetime,
        }
        try:
            async with self._database.transaction(self._asker) as connection:
                await connection.execute(statement("caches", "keep_vectors"), rows)
        except RagstoneError as error:
            _log.warning("vectors cannot be remembered: %s", error)


def _key(model: EmbeddingModel, kind: str, text: str) -> bytes:
    decides = [asdict(model), kind, text]  # models treat questions and passages differently
    return sha256(json.dumps(decides, sort_keys=True).encode()).digest()
