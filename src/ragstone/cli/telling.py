"""Passages and answers for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.text import Text

from ragstone.cli.arguments import harmless, notes, out
from ragstone.domain import Answer, AnswerEvent, Cited, GroundingStatus, Hit, Wrote

_NEAREST = 3  # passages that are shown instead of an answer


class Telling:
    """An answer on the terminal as it comes about."""

    def __init__(self) -> None:
        """Nothing is told yet."""
        self._cited = 0

    def tell(self, event: AnswerEvent) -> None:
        """Print what this adds: words, and the number of what they rest on."""
        if isinstance(event, Wrote):
            out.print(Text(harmless(event.text), style="bold"), end="")
        elif isinstance(event, Cited):
            self._cited += 1
            out.print(Text(f" [{self._cited}]", style="bold"), end="")
        elif isinstance(event, Answer):
            out.print()
            print_sources(event)
        out.file.flush()


def print_answer(answer: Answer) -> None:
    """A finished answer with what it rests on."""
    text = answer.text
    for number, citation in reversed(list(enumerate(answer.citations, 1))):
        text = f"{text[: citation.answer_index]} [{number}]{text[citation.answer_index :]}"
    found = answer.status is not GroundingStatus.INSUFFICIENT_EVIDENCE
    out.print(Text(harmless(text), style="bold" if found else "yellow"))
    print_sources(answer)


def print_sources(answer: Answer) -> None:
    """What an answer rests on, what of it rests on nothing, and what stood in for what."""
    if answer.status is GroundingStatus.INSUFFICIENT_EVIDENCE and answer.nearest:
        out.print("The nearest passages:", style="dim")
        print_hits(answer.nearest[:_NEAREST])
    elif answer.citations:
        out.print()
    for number, citation in enumerate(answer.citations, 1):
        mark = "checked against the document" if citation.verified else "not verified"
        place = _place(citation.filename, citation.page, citation.heading)
        out.print(Text.assemble((f"[{number}] {place}", "cyan"), (f"  ({mark})", "dim")))
        out.print(Text(f"    “{_excerpt(citation.quote)}”"))
    for start, end in answer.unsupported:
        out.print(Text.assemble(("No passage supports  ", "yellow"), f"“{_excerpt(answer.text[start:end])}”"))
    if answer.provenance.degraded:
        notes.print(Text(f"A fallback answered: {answer.provenance.degraded}", style="yellow"))


def print_hits(hits: Sequence[Hit]) -> None:
    """Passages with their places and scores."""
    if not hits:
        out.print("Nothing found.")
    for rank, hit in enumerate(hits, 1):
        passage, scores = hit.passage, hit.scores
        out.print(
            Text.assemble((f"{rank:2} ", "bold"), _place(passage.filename, passage.page, passage.heading)), style="cyan"
        )
        reranked = "" if scores.rerank is None else f"  relevance {scores.rerank:.2f}"
        out.print(
            f"   [dim]{scores.fused:.2f}  meaning {scores.dense:.2f}  words {scores.lexical:.1f}{reranked}"
            f"  {escape(passage.file_id)}[/]"
        )
        out.print(Text("   " + _excerpt(passage.text)))


def _place(filename: str, page: int | None, heading: tuple[str, ...]) -> str:
    parts = [filename, f"page {page}" if page else "", " > ".join(heading)]
    return harmless(" · ".join(part for part in parts if part))


def _excerpt(text: str, most: int = 240) -> str:
    line = harmless(" ".join(text.split()))
    return line if len(line) <= most else line[: most - 1].rsplit(" ", 1)[0] + "…"
