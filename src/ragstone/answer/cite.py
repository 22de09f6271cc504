"""Every quote is read again where it is stored; what cannot be found there is not said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ragstone.answer.evidence import Scored
from ragstone.answer.units import stands_in_lines
from ragstone.domain import Citation, Passage, Question
from ragstone.ports import Index

_NOT_PLACED = 0


@dataclass(frozen=True, slots=True)
class Supported:
    """A sentence of the answer with its verified citations: its label, if it has one, comes first."""

    probability: float
    citations: tuple[Citation, ...]


async def verify(question: Question, chosen: Sequence[Scored], index: Index) -> list[Supported]:
    """The sentences whose words stand in the stored documents as they were found, with their citations.

    A document that was changed or removed meanwhile takes its sentences with it.
    """
    found = []
    for scored in chosen:
        citations = [citation for citation in _citations(scored) if await _stands(question, citation, index)]
        # A label without its sentence says nothing; a sentence can do without its label.
        if citations and citations[-1].quote == scored.quotable.text:
            found.append(Supported(scored.probability, tuple(citations)))
    return found


def compose(supported: Sequence[Supported]) -> tuple[str, tuple[Citation, ...]]:
    """The answer's text, and its citations with their place in it; no stretch of a document is said twice.

    Sentences share a label, and passages that overlap can give a sentence the label that another one begins with.
    """
    said: list[Citation] = []
    for sentence in supported:
        said += [one for one in sentence.citations if not any(_overlap(one, other) for other in said)]
    gap = "\n" if any(stands_in_lines(citation.quote) for citation in said) else " "
    text, placed = "", []
    for citation in said:
        text += f"{gap if text else ''}{citation.quote}"
        placed.append(replace(citation, answer_index=len(text)))
    return text, tuple(placed)


def _overlap(one: Citation, other: Citation) -> bool:
    apart = one.end_index <= other.start_index or other.end_index <= one.start_index
    return one.file_id == other.file_id and not apart


async def _stands(question: Question, citation: Citation, index: Index) -> bool:
    """Whether one of the searched stores holds these words at this place."""
    for store in question.stores:
        if await index.quote(store, citation.file_id, citation.start_index, citation.end_index) == citation.quote:
            return True
    return False


def _citations(scored: Scored) -> list[Citation]:
    """Of the label, if there is one, and of the sentence."""
    passage, unit = scored.quotable.passage, scored.quotable.unit
    spans = [unit.label] if unit.label else []
    spans.append((unit.start, unit.end))
    return [_citation(passage, start, end, scored.probability) for start, end in spans]


def _citation(passage: Passage, start: int, end: int, probability: float) -> Citation:
    heading, page = passage.place_at(passage.start + start)
    return Citation(
        file_id=passage.file_id,
        filename=passage.filename,
        chunk_id=passage.chunk_id,
        page=page,
        heading=heading,
        quote=passage.text[start:end],
        start_index=passage.start + start,
        end_index=passage.start + end,
        answer_index=_NOT_PLACED,
        score=probability,
        verified=True,
    )
