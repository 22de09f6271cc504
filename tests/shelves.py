"""Stores in memory, and the search in them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from hashlib import sha256

from ragstone.domain import Attributes, Block, BlockKind, Chunk, Document, IndexedChunk, Question, Reading, Store
from ragstone.fakes.memory import Memory, MemoryIndex, MemoryLibrary
from ragstone.fakes.models import HashingEmbedder
from ragstone.retrieve.search import search
from ragstone.text import analyzer

TEXTS = [
    "The gearbox oil is changed every year.",
    "Oil paintings hang in the great hall.",
    "The hall opens at nine.",
    "Brakes are tested each month.",
]


class Shelf:
    """Stores whose documents are one passage each."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.embedder = HashingEmbedder()
        self.library, self.index = MemoryLibrary(self.memory), MemoryIndex(self.memory)

    async def store(self, texts: Sequence[str], name: str = "one", attributes: Attributes | None = None) -> Store:
        store = await self.library.open_store(name, self.embedder.model)
        for text in texts:
            document = Document(
                source=f"/{text}",
                filename="a.txt",
                content_hash=sha256(text.encode()).digest(),
                pipeline="test",
                size=len(text),
                reading=Reading(text, (Block(BlockKind.PARAGRAPH, 0, len(text)),), "text/plain"),
                attributes=attributes or {},
            )
            await self.library.put(store, document, self._chunk(text))
        return store

    async def _chunk(self, text: str) -> AsyncIterator[Sequence[IndexedChunk]]:
        (vector,) = await self.embedder.embed_passages([text])
        yield [IndexedChunk(Chunk(0, 0, len(text), text), vector, analyzer.term_counts(text))]

    async def found(self, question: Question) -> list[str]:
        return [hit.passage.text for hit in (await search(question, self.index, self.embedder)).hits]
