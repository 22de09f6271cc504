"""How the hits of several queries become one ranking: what each way of merging finds, without any language model.

    python benchmarks/rewriting.py [--sets NAME ...] [--depth HITS] [--cache FILE]

What a model would write is taken from the data instead:
- variants: the question, and the same with half of its telling words, twice (a rewording that lost something); or the
  question in other languages, which the embedder reads badly (a rewording that went wrong);
- parts: two or three questions asked in one sentence, split again; the documents of all are wanted;
- follow-ups: the last turn of a conversation, alone and with the turn before it.
Needs ../shared/data.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import measures
from corpus import lines, require_data
from retrieval import Bench, shelve
from retrieval_sets import SETS, Asked, RetrievalSet, xquad
from vectors import RememberingEmbedder

from ragstone.domain import Block, BlockKind, Hit, Question, Reading
from ragstone.ingest.split import DEFAULT_SIZE
from ragstone.models.minilm.embedder import MiniLM
from ragstone.retrieve.merge import evening, merge
from ragstone.retrieve.search import search
from ragstone.text import analyzer

RRF_K = 60  # Cormack, Clarke and Buettcher, Reciprocal Rank Fusion, SIGIR 2009
DEPTH = 10  # hits of each query, as many as a question is answered from
JOINED = 300  # questions that are made of several

Found = Sequence[Sequence[Hit]]  # the hits of each query, the question's own (or the first part's) first
Order = list[str]  # sources of documents, best first


@dataclass(frozen=True)
class Reworded:
    """A question, what is searched for instead, and what should be found."""

    whole: str
    queries: Sequence[str]
    relevant: frozenset[str]


@dataclass(frozen=True)
class Bundle:
    """A collection with reworded questions."""

    collection: RetrievalSet
    asked: Sequence[Reworded]


def weighed(factor: float) -> Callable[[Found], Order]:
    """A passage counts with its best fused score, that of further queries times this factor."""
    return lambda found: _sources(merge(found, [1.0, *[factor] * (len(found) - 1)]))


def evened(found: Found) -> Order:
    """The same, with the best hits of all queries made equal."""
    return _sources(merge(found, evening(found)))


def summed(found: Found) -> Order:
    """CombSUM: the fused scores added up; what a query does not find counts nothing for it."""
    return _ordered([[hit.scores.fused for hit in hits] for hits in found], found)


def rrf(found: Found, weights: Sequence[float] | None = None) -> Order:
    """Reciprocal ranks added up."""
    each = weights or [1.0] * len(found)
    values = [
        [weight / (RRF_K + place + 1) for place in range(len(hits))] for weight, hits in zip(each, found, strict=True)
    ]
    return _ordered(values, found)


def own_twice(found: Found) -> Order:
    """Reciprocal ranks, those of the first query twice."""
    return rrf(found, [2.0] + [1.0] * (len(found) - 1))


def in_turns(found: Found) -> Order:
    """The best of each query, then the second best of each, and so on."""
    deepest = max(map(len, found))
    return [hits[place].passage.source for place in range(deepest) for hits in found if place < len(hits)]


MERGES: Mapping[str, Callable[[Found], Order]] = {
    "best": weighed(1.0),
    "others x0.9": weighed(0.9),
    "others x0.8": weighed(0.8),
    "others x0.7": weighed(0.7),
    "evened": evened,
    "sum": summed,
    "rrf": rrf,
    "rrf, own x2": own_twice,
    "in turns": in_turns,
}


def _sources(hits: Sequence[Hit]) -> Order:
    return [hit.passage.source for hit in hits]


def _ordered(values: Sequence[Sequence[float]], found: Found) -> Order:
    """By the sum of what each passage is worth in each list."""
    worth: dict[int, float] = {}
    hits_by_id: dict[int, Hit] = {}
    for hits, row in zip(found, values, strict=True):
        for hit, value in zip(hits, row, strict=True):
            chunk_id = hit.passage.chunk_id
            hits_by_id[chunk_id] = hit
            worth[chunk_id] = worth.get(chunk_id, 0.0) + value
    return _sources(
        [hits_by_id[chunk_id] for chunk_id in sorted(worth, key=lambda chunk_id: (-worth[chunk_id], chunk_id))]
    )


def shortened(collection: RetrievalSet) -> Bundle:
    """Each question and two thinned ones."""
    chance = random.Random(7)
    return Bundle(
        collection,
        [
            Reworded(one.text, [one.text, *(_thinned(one.text, chance) for _ in range(2))], one.relevant)
            for one in collection.questions
        ],
    )


def _thinned(text: str, chance: random.Random) -> str:
    telling = [word for word in text.split() if analyzer.terms(word)]
    kept = sorted(chance.sample(range(len(telling)), min(len(telling), max(1, len(telling) // 2))))
    return " ".join(telling[place] for place in kept) or text


def translated(*languages: str) -> Bundle:
    """English questions, each also in other languages."""
    collection = xquad("en", "en")
    others = [xquad(language, "en").questions for language in languages]
    return Bundle(
        collection,
        [
            Reworded(one.text, [one.text, *(other[place].text for other in others)], one.relevant)
            for place, one in enumerate(collection.questions)
        ],
    )


def joined(collection: RetrievalSet, count: int = 2) -> Bundle:
    """Several questions in one sentence, and each alone."""
    chance = random.Random(7)
    asked: list[Reworded] = []
    while len(asked) < JOINED:
        chosen = chance.sample(collection.questions, count)
        relevant = frozenset[str]().union(*(one.relevant for one in chosen))
        if len(relevant) == sum(len(one.relevant) for one in chosen):
            parts = [one.text for one in chosen]
            asked.append(Reworded(_sentence(parts), parts, relevant))
    return Bundle(collection, asked)


def _sentence(parts: Sequence[str]) -> str:
    first, *others = (part.rstrip("?. ") for part in parts)
    return ", and ".join([first, *(other[:1].lower() + other[1:] for other in others)]) + "?"


def follow_ups() -> Bundle:
    """Last turns of conversations, alone and behind the turn before them."""
    documents: dict[str, Reading] = {}
    asked: list[Reworded] = []
    for record in lines("mtrag-un", "tasks.jsonl.gz"):
        contexts: list[dict[str, str]] = record["contexts"]  # type: ignore[assignment]
        turns: list[dict[str, str]] = record["input"]  # type: ignore[assignment]
        said = [turn["text"] for turn in turns if turn["speaker"] == "user"]
        for context in contexts:
            text = context["text"]
            documents[context["document_id"]] = Reading(text, (Block(BlockKind.PARAGRAPH, 0, len(text)),), "text/plain")
        if contexts and len(said) > 1:
            relevant = frozenset(context["document_id"] for context in contexts)
            asked.append(Reworded(said[-1], [said[-1], f"{said[-2]} {said[-1]}"], relevant))
    questions = [Asked(one.whole, one.relevant) for one in asked]
    return Bundle(RetrievalSet("mtrag-un", documents, questions), asked)


BUNDLES: Mapping[str, Callable[[], Bundle]] = {
    "shortened-xquad": lambda: shortened(xquad("en", "en")),
    "shortened-claude-docs": lambda: shortened(SETS["claude-docs"]()),
    "shortened-tatqa": lambda: shortened(SETS["tatqa"]()),
    "translated-xquad": lambda: translated("de", "es"),
    "joined-xquad": lambda: joined(xquad("en", "en")),
    "joined-claude-docs": lambda: joined(SETS["claude-docs"]()),
    "joined-tatqa": lambda: joined(SETS["tatqa"]()),
    "joined-3-xquad": lambda: joined(xquad("en", "en"), 3),
    "joined-3-claude-docs": lambda: joined(SETS["claude-docs"](), 3),
    "follow-ups": follow_ups,
}


async def main() -> None:
    arguments = _arguments()
    require_data()
    model = MiniLM(threads=2)
    bench = Bench(model, RememberingEmbedder(model, arguments.cache), DEFAULT_SIZE)
    for name in arguments.sets:
        bundle = BUNDLES[name]()
        rows = await _measure(bundle, bench, arguments.depth)
        bench.embedder.save()
        print(f"{name}: {len(bundle.asked)} questions, {len(bundle.collection.documents)} documents")
        for method, means in rows.items():
            print(f"  {method:12}", "  ".join(f"{measure} {value:.4f}" for measure, value in means.items()))
        sys.stdout.flush()


async def _measure(bundle: Bundle, bench: Bench, depth: int) -> dict[str, dict[str, float]]:
    store, index = await shelve(bundle.collection, bench)

    async def hits(text: str) -> Sequence[Hit]:
        return (await search(Question(text, (store,), top_k=depth), index, bench.embedder)).hits

    rows: dict[str, list[dict[str, float]]] = {}
    for asked in bundle.asked:
        found = [await hits(query) for query in asked.queries]
        orders = {"whole": _sources(await hits(asked.whole))}
        orders |= {f"query {number}": _sources(one) for number, one in enumerate(found, 1)}
        orders |= {name: method(found) for name, method in MERGES.items()}
        for name, order in orders.items():
            rows.setdefault(name, []).append(_scores(order, asked.relevant))
    return {name: {measure: fmean(row[measure] for row in of) for measure in of[0]} for name, of in rows.items()}


def _scores(order: Order, relevant: frozenset[str]) -> dict[str, float]:
    ranked = list(dict.fromkeys(order))
    return {
        "ndcg@10": measures.ndcg(ranked, relevant),
        "recall@5": measures.recall(ranked, relevant, 5),
        "recall@10": measures.recall(ranked, relevant),
        "mrr@10": measures.mrr(ranked, relevant),
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--sets", nargs="+", choices=list(BUNDLES), default=list(BUNDLES), metavar="NAME")
    parser.add_argument("--depth", type=int, default=DEPTH, help="hits of each query")
    parser.add_argument("--cache", type=Path, help="file (.npz) that keeps vectors between runs")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
