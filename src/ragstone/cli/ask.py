"""`ragstone search` and `ragstone ask`."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.markup import escape
from rich.text import Text

from ragstone import bootstrap, wire
from ragstone.cli.arguments import JsonOption, StoreOption, filter_of, out, run, settings
from ragstone.domain import Answer, Filter, GroundingStatus, Hit, Question, Results
from ragstone.settings import Settings

FilterOption = Annotated[
    list[str] | None,
    typer.Option("--filter", "-f", help="key=value, also != > >= < <=; several must all hold.", show_default=False),
]


def search(
    query: Annotated[str, typer.Argument(help="What to look for.", show_default=False)],
    store: StoreOption = None,
    top_k: Annotated[int | None, typer.Option("--top-k", "-k", min=1, max=50, help="Hits.", show_default="10")] = None,
    condition: FilterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the passages that fit a query best: by meaning and by words."""
    given = settings()
    results = run(_search(given, query, store or given.store, top_k or given.search_top_k, filter_of(condition or [])))
    if as_json:
        hits = [wire.hit(hit) for hit in results.hits]
        print(json.dumps({"query": query, "hits": hits, "timings_ms": wire.timings(results.timings_ms)}))  # noqa: T201
    else:
        _print_hits(results.hits)


def ask(
    question: Annotated[str, typer.Argument(help="The question.", show_default=False)],
    store: StoreOption = None,
    condition: FilterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a question in the words of the documents, with citations."""
    given = settings()
    answer = run(_ask(given, question, store or given.store, filter_of(condition or [])))
    if as_json:
        citations = [wire.citation(citation) for citation in answer.citations]
        print(  # noqa: T201
            json.dumps(
                {
                    "answer": answer.text,
                    "grounding": {"status": answer.status.value},
                    "citations": citations,
                    "timings_ms": wire.timings(answer.timings_ms),
                }
            )
        )
    else:
        _print_answer(answer)


async def _search(given: Settings, query: str, store: str, top_k: int, condition: Filter | None) -> Results:
    from ragstone.retrieve.search import search as find

    async with bootstrap.open_house(given) as house:
        index = (await house.own_session()).index
        question = Question(query, (await index.store(store),), top_k, condition)
        return await find(question, index, house.embedder)


async def _ask(given: Settings, text: str, store: str, condition: Filter | None) -> Answer:
    from ragstone.flows.ask import ask as answer

    async with bootstrap.open_house(given) as house:
        index = (await house.own_session()).index
        question = Question(text, (await index.store(store),), given.search_top_k, condition)
        return await answer(question, index, house.embedder)


def _print_hits(hits: tuple[Hit, ...]) -> None:
    if not hits:
        out.print("Nothing found.")
    for rank, hit in enumerate(hits, 1):
        passage = hit.passage
        out.print(
            Text.assemble((f"{rank:2} ", "bold"), _place(passage.filename, passage.page, passage.heading)), style="cyan"
        )
        scores = hit.scores
        out.print(
            f"   [dim]{scores.fused:.2f}  meaning {scores.dense:.2f}  words {scores.lexical:.1f}"
            f"  {escape(passage.file_id)}[/]"
        )
        out.print(Text("   " + _excerpt(passage.text)))


def _print_answer(answer: Answer) -> None:
    if answer.status is GroundingStatus.INSUFFICIENT_EVIDENCE:
        out.print(Text(answer.text, style="yellow"))
        if answer.nearest:
            out.print("The nearest passages:", style="dim")
        _print_hits(answer.nearest[:3])
        return
    text = answer.text
    for number, citation in reversed(list(enumerate(answer.citations, 1))):
        text = f"{text[: citation.answer_index]} [{number}]{text[citation.answer_index :]}"
    out.print(Text(text, style="bold"))
    out.print()
    for number, citation in enumerate(answer.citations, 1):
        mark = "checked against the document" if citation.verified else "not verified"
        place = _place(citation.filename, citation.page, citation.heading)
        out.print(Text.assemble((f"[{number}] {place}", "cyan"), (f"  ({mark})", "dim")))
        out.print(Text(f"    “{_excerpt(citation.quote)}”"))


def _place(filename: str, page: int | None, heading: tuple[str, ...]) -> str:
    parts = [filename, f"page {page}" if page else "", " > ".join(heading)]
    return " · ".join(part for part in parts if part)


def _excerpt(text: str, most: int = 240) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rsplit(" ", 1)[0] + "…"
