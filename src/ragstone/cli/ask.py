"""`ragstone search` and `ragstone ask`."""

from __future__ import annotations

import json
from contextlib import aclosing
from dataclasses import asdict, replace
from typing import Annotated

import typer

from ragstone import bootstrap, wire
from ragstone.cli.arguments import JsonOption, StoreOption, filter_of, run, settings
from ragstone.cli.telling import Telling, print_answer, print_hits
from ragstone.domain import Answer, AnswerOptions, Filter, Question, Results, Rewriting, Strategy
from ragstone.settings import Settings

FilterOption = Annotated[
    list[str] | None,
    typer.Option("--filter", "-f", help="key=value, also != > >= < <=; several must all hold.", show_default=False),
]
StrategyOption = Annotated[
    Strategy | None,
    typer.Option(help="How a language model comes to its answer.", show_default="the store's, else the setting's"),
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
        print_hits(results.hits)


def ask(
    question: Annotated[str, typer.Argument(help="The question.", show_default=False)],
    store: StoreOption = None,
    condition: FilterOption = None,
    strategy: StrategyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a question with citations: in the words of a language model if there is one, else in the documents' own.

    A language model's words are printed as they come.
    """
    given, options = settings(), AnswerOptions(strategy=strategy)
    asked = Question(question, (), given.search_top_k, filter_of(condition or []), options=options)
    answer = run(_ask(given, asked, store or given.store, None if as_json else Telling()))
    if as_json:
        print(json.dumps(_as_json(answer)))  # noqa: T201


async def _search(given: Settings, query: str, store: str, top_k: int, condition: Filter | None) -> Results:
    from ragstone.flows.look import look

    async with bootstrap.open_house(given) as house:
        session = await house.own_session()
        options = AnswerOptions(rewriting=Rewriting.NONE)
        question = Question(query, (await session.index.store(store),), top_k, condition, options=options)
        return await look((question,), house.kit(session))


async def _ask(given: Settings, question: Question, store: str, telling: Telling | None) -> Answer:
    from ragstone.flows.ask import ask as answer_to
    from ragstone.flows.ask import asking

    async with bootstrap.open_house(given) as house:
        session = await house.own_session()
        kit = house.kit(session)
        question = replace(question, stores=(await session.index.store(store),))
        if telling is None or kit.llm is None:
            answer = await answer_to(question, kit)
            if telling is not None:
                print_answer(answer)
            return answer
        async with aclosing(asking(question, kit)) as events:
            async for event in events:
                telling.tell(event)
                if isinstance(event, Answer):
                    return event
    raise AssertionError("asking ends with an answer or an error")


def _as_json(answer: Answer) -> dict[str, object]:
    return {
        "answer": answer.text,
        "citations": [wire.citation(citation) for citation in answer.citations],
        "usage": asdict(answer.provenance.usage),
        **wire.account(answer),
    }
