"""Texts to measure with: abstracts of SciFact and pages of platform documentation, from ../shared/data."""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from ragstone.domain import Chunk, Document, IndexedChunk, Matrix, Reading, Store
from ragstone.ingest import read, split
from ragstone.models.minilm.embedder import MiniLM
from ragstone.ports import Library
from ragstone.text import analyzer

DATA = Path(__file__).parents[2] / "shared" / "data"
_PAGES = ("kserve-0.20", "kaito", "argo-cd", "external-secrets")
_DOCUMENT = 10  # chunks of a made-up document


def require_data() -> None:
    """Leave with a clear word where the data is not at hand."""
    if not DATA.is_dir():
        sys.exit("skipped: the evaluation data is not there (../shared/data)")


def lines(*names: str) -> Iterator[dict[str, str]]:
    """Records of a JSON lines file, gzipped or not."""
    path = DATA.joinpath(*names)
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def questions() -> list[str]:
    """The 150 claims of SciFact's developer half."""
    return [record["text"] for record in lines("scifact", "queries.jsonl")]


def write_pages(folder: Path, *sets: str) -> int:
    """Lay pages of platform documentation out as files; returns how many."""
    count = 0
    for name in sets or _PAGES:
        for record in lines("platform-docs", f"{name}.jsonl.gz"):
            path = folder / name / record["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(record["text"], encoding="utf-8")
            count += 1
    return count


def chunks(limit: int, embedder: MiniLM) -> list[Chunk]:
    """Up to `limit` real chunks: abstracts first, then pages."""
    abstracts = (
        (f"{record['title']}.txt", f"{record['title']}\n\n{record['text']}")
        for record in lines("scifact", "corpus.jsonl.gz")
    )
    pages = (
        (record["path"], record["text"]) for name in _PAGES for record in lines("platform-docs", f"{name}.jsonl.gz")
    )
    texts = (pair for source in (abstracts, pages) for pair in source)
    found = (chunk for name, text in texts for chunk in split.split(read.read(Path(name), text.encode()), embedder))
    return list(islice(found, limit))


class Growing:
    """A store that grows to any size: real chunks, then their like.

    A chunk beyond the real ones takes the text and the terms of a real one, and its vector with noise (cosine about
    .9): neighbourhoods and posting lists stay as dense as in a real collection of that size.
    """

    def __init__(self, embedder: MiniLM, real: int) -> None:
        """Embeds the real chunks once."""
        self._chunks = chunks(real, embedder)
        texts = [chunk.searchable for chunk in self._chunks]
        self._vectors: Matrix = embedder.embed(texts)
        self._terms = [analyzer.term_counts(text) for text in texts]
        self._noise = np.random.default_rng(7)
        self.size = 0

    async def grow(self, library: Library, store: Store, size: int) -> None:
        """Add documents of ten chunks up to this many chunks."""
        while self.size < size:
            await self.add(library, store, min(_DOCUMENT, size - self.size))
        await library.tidy(store)

    async def add(self, library: Library, store: Store, chunks: int = _DOCUMENT) -> None:
        """Add one document; several may be on their way at once."""
        batch = [self._next(ordinal) for ordinal in range(chunks)]
        await library.put(store, _document(self.size, batch), _once(batch))

    def _next(self, ordinal: int) -> IndexedChunk:
        place = self.size % len(self._chunks)
        vector = self._vectors[place]
        if self.size >= len(self._chunks):
            vector = vector + self._noise.normal(0, 0.025, vector.shape).astype(np.float32)
            vector /= np.linalg.norm(vector)
        self.size += 1
        old = self._chunks[place]
        chunk = Chunk(ordinal, 0, len(old.text), old.text, old.heading, old.page, old.context)
        return IndexedChunk(chunk, vector, self._terms[place])


def _document(number: int, batch: Sequence[IndexedChunk]) -> Document:
    text = "\n".join(indexed.chunk.text for indexed in batch)
    return Document(
        source=f"/made/{number}",
        filename=f"{number}.txt",
        content_hash=hashlib.sha256(text.encode()).digest(),
        pipeline="benchmark",
        size=len(text),
        reading=Reading(text, (), "text/plain"),
    )


async def _once(batch: Sequence[IndexedChunk]) -> AsyncIterator[Sequence[IndexedChunk]]:
    yield batch
