"""Passages, questions and a store to answer from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from zlib import crc32

from ragstone.answer.calibration import Calibration, Policy
from ragstone.domain import Hit, Passage, Question, Scores, Span, Store, Turn
from ragstone.fakes.memory import Memory, MemoryIndex
from ragstone.fakes.models import HashingEmbedder

EMBEDDER = HashingEmbedder()
# The share of the question's words decides alone: none gives .02, half of them .5, all of them .98.
BY_WORDS = Policy(Calibration(-4.0, (0.0, 8.0, 0.0)), supported_from=0.7, partial_from=0.3)
BY_PASSAGE = Policy(Calibration(-4.0, (0.0, 0.0, 8.0)), supported_from=0.7, partial_from=0.3)


def store(number: int = 1) -> Store:
    return Store(number, f"vs_{number}", f"store {number}", EMBEDDER.model, "english", datetime.now(UTC))


def question(text: str, *stores: Store) -> Question:
    return Question(text, stores or (store(),))


def hit(
    text: str,
    file_id: str = "file_1",
    *,
    heading: tuple[str, ...] = (),
    turns: tuple[Turn, ...] = (),
    start: int = 0,
    dense: float = 0.5,
) -> Hit:
    passage = Passage(
        chunk_id=crc32(f"{file_id} {start}".encode()),
        file_id=file_id,
        filename=f"{file_id}.md",
        source=f"/docs/{file_id}.md",
        attributes={},
        page=None,
        heading=heading,
        turns=turns,
        text=text,
        start=start,
        end=start + len(text),
    )
    return Hit(passage, Scores(dense, 1.0, dense))


class Shelf(MemoryIndex):
    """An index of which only the stored texts matter."""

    def __init__(self, texts: Mapping[str, str], number: int = 1) -> None:
        super().__init__(Memory())
        self._texts = texts
        self._number = number

    async def quotes(self, stores: Sequence[Store], spans: Sequence[Span]) -> Sequence[frozenset[str]]:
        known = self._texts if any(store.id == self._number for store in stores) else {}
        return [
            frozenset({known[span.file_id][span.start : span.end]} if span.file_id in known else ()) for span in spans
        ]


def shelf_of(hits: Sequence[Hit]) -> Shelf:
    """What the hits were found in, unchanged."""
    texts: dict[str, str] = {}
    for one in hits:
        passage = one.passage
        before = texts.get(passage.file_id, "").ljust(passage.end)
        texts[passage.file_id] = before[: passage.start] + passage.text + before[passage.end :]
    return Shelf(texts)
