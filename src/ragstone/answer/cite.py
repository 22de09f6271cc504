"""Every quote is read again where it is stored; what cannot be found there is not said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ragstone.answer.evidence import Scored
from ragstone.answer.units import Unit, stands_in_lines
from ragstone.domain import Citation, Passage, Question, Span
from ragstone.ports import Index

_NOT_PLACED = 0


@dataclass(frozen=True, slots=True)
class Quoted:
    """A stretch of a passage that is to be quoted."""

    passage: Passage
    unit: Unit
    probability: float  # that it is right to


@dataclass(frozen=True, slots=True)
class Supported:
    """A sentence of the answer with its verified citations: its label, if it has one, comes first."""

    probability: float
    citations: tuple[Citation, ...]


async def verify(question: Question, chosen: Sequence[Scored], index: Index) -> list[Supported]:
    """The sentences whose words stand in the stored documents as they were found, with their citations.

    A document that was changed or removed meanwhile takes its sentences with it.
    """
    quoted = [Quoted(one.quotable.passage, one.quotable.unit, one.probability) for one in chosen]
    found = await standing(question, quoted, index)
    return [
        Supported(scored.probability, tuple(citations))
        for scored, citations in zip(chosen, found, strict=True)
        if citations
    ]


async def standing(question: Question, quoted: Sequence[Quoted], index: Index) -> list[list[Citation]]:
    """The citations of each stretch, that of its label first, as far as the documents still say it; none: they do not.

    A label without its sentence says nothing; a sentence can do without its label.
    """
    all_cited = [_citations(one) for one in quoted]
    spans = [Span(one.file_id, one.start_index, one.end_index) for cited in all_cited for one in cited]
    said = iter(await index.quotes(question.stores, spans) if spans else ())
    standing = [[one for one in cited if one.quote in next(said)] for cited in all_cited]
    return [
        cited if cited and cited[-1].end_index == one.passage.start + one.unit.end else []
        for one, cited in zip(quoted, standing, strict=True)
    ]


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


def _citations(quoted: Quoted) -> list[Citation]:
    """Of the label, if there is one, and of the sentence."""
    spans = [quoted.unit.label] if quoted.unit.label else []
    spans.append((quoted.unit.start, quoted.unit.end))
    return [_citation(quoted.passage, start, end, quoted.probability) for start, end in spans]


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
