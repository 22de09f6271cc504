"""How often the extractive answer is right, and how often it rightly refuses.

    python benchmarks/answers.py [--json | --fit]

Uses the third-party data beside the checkout (../shared/data), the product's own search over the
in-memory index, and the local embedder. Figures are of the questions that no constant was fitted on:
the other half of XQuAD and ClapNQ, and all of the other sets. `--fit` prints the constants of
ragstone/answer/calibration.py. It starts from the candidates that the present constants choose, so
repeat it until they stay.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from answer_sets import Case, DataSet, all_sets, missing

from ragstone.answer.calibration import Policy
from ragstone.answer.choose import choose
from ragstone.answer.evidence import Scored, score
from ragstone.answer.extract import extract
from ragstone.domain import (
    Chunk,
    Comparison,
    Condition,
    Document,
    EmbeddingModel,
    Hit,
    IndexedChunk,
    Matrix,
    Question,
    Reading,
    Store,
    Vector,
)
from ragstone.fakes.memory import Memory, MemoryIndex, MemoryLibrary
from ragstone.models.minilm.embedder import MiniLM
from ragstone.retrieve.search import search
from ragstone.text import analyzer

TOP_K = 10
POLICY = Policy()
TIMED = 50  # questions of each set whose answer is timed

Floats: TypeAlias = npt.NDArray[np.float64]
Row: TypeAlias = dict[str, str | float]


@dataclass(frozen=True)
class Outcome:
    """What came of a case: candidates, likeliest first, and for each whether it holds the answer."""

    case: Case
    scored: Sequence[Scored]
    right: Sequence[bool]

    @property
    def probability(self) -> float:
        """Of the best sentence."""
        return self.scored[0].probability if self.scored else 0.0

    @property
    def answered_right(self) -> bool:
        """Whether a sentence of the answer holds the gold answer."""
        chosen = {id(scored) for scored in choose(self.scored, POLICY)}
        return any(right for scored, right in zip(self.scored, self.right, strict=True) if id(scored) in chosen)


class Remembering:
    """An embedder that reads no text twice."""

    def __init__(self, embedder: MiniLM) -> None:
        self._embedder = embedder
        self._known: dict[str, Vector] = {}

    @property
    def model(self) -> EmbeddingModel:
        """The model of the embedder behind it."""
        return self._embedder.model

    async def embed_passages(self, texts: Sequence[str]) -> Matrix:
        """Vectors of texts that will be found."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        self._known.update(zip(new, await self._embedder.embed_passages(new), strict=True))
        return np.array([self._known[text] for text in texts], np.float32).reshape(len(texts), self.model.dimension)

    async def embed_queries(self, texts: Sequence[str]) -> Matrix:
        """Vectors of questions."""
        return await self.embed_passages(texts)


@dataclass(frozen=True)
class Loaded:
    """A set in an index."""

    data: DataSet
    index: MemoryIndex
    store: Store

    async def ask(self, case: Case, embedder: Remembering) -> tuple[Question, tuple[Hit, ...]]:
        """A case as a question, and what the search finds for it."""
        condition = Condition(Comparison.EQ, "page", case.only) if case.only else None
        if case.without:
            condition = Condition(Comparison.NIN, "page", case.without)
        question = Question(case.text, (self.store,), TOP_K, condition)
        return question, (await search(question, self.index, embedder)).hits

    async def outcomes(self, embedder: Remembering) -> list[Outcome]:
        """What comes of every case."""
        found = []
        for case in self.data.cases:
            scored = await score(*await self.ask(case, embedder), embedder, POLICY)
            found.append(Outcome(case, scored, [holds(case, one) for one in scored]))
        return found


async def load(data: DataSet, embedder: Remembering) -> Loaded:
    """Store every page as a document of one chunk."""
    memory = Memory()
    library = MemoryLibrary(memory)
    store = await library.open_store(data.name, embedder.model)
    texts = ["\n".join((*page.heading, page.text)) for page in data.pages]
    vectors = await embedder.embed_passages(texts)
    for page, text, vector in zip(data.pages, texts, vectors, strict=True):
        chunk = Chunk(0, 0, len(page.text), page.text, page.heading, context="\n".join(page.heading))
        document = Document(
            page.id, page.id, b"", "", len(page.text), Reading(page.text, (), "text/plain"), {"page": page.id}
        )
        terms = analyzer.term_counts(text, store.language)
        await library.put(store, document, alone(IndexedChunk(chunk, vector, terms)))
    return Loaded(data, MemoryIndex(memory), store)


async def alone(chunk: IndexedChunk) -> AsyncIterator[Sequence[IndexedChunk]]:
    yield [chunk]


def holds(case: Case, scored: Scored) -> bool:
    """Whether a sentence covers a gold span, or at least half of it lies in one."""
    unit = scored.quotable.unit
    for first, last in case.gold.get(scored.quotable.passage.filename, ()):
        common = min(unit.end, last) - max(unit.start, first)
        if common == last - first or 2 * common >= unit.end - unit.start:
            return True
    return False


def measures(name: str, found: Iterable[Outcome]) -> list[Row]:
    """One row a kind of question; AUROC is of the answerable ones against this kind."""
    kinds = defaultdict[str, list[Outcome]](list)
    for outcome in found:
        if not outcome.case.fits:
            kinds[outcome.case.kind].append(outcome)
    answerable = best_of(kinds["answerable"])
    answered = float((answerable >= POLICY.partial_from).mean())
    rows = []
    for kind, some in kinds.items():
        best = best_of(some)
        refused = float((best < POLICY.partial_from).mean())
        row: Row = {"set": name, "questions": kind, "n": len(some)}
        if some[0].case.gold:
            row["best holds it"] = statistics.fmean(any(outcome.right[:1]) for outcome in some)
            row["one of two"] = statistics.fmean(any(outcome.right[:2]) for outcome in some)
            row["answer holds it"] = statistics.fmean(outcome.answered_right for outcome in some)
            row["sentences"] = statistics.fmean(len(choose(outcome.scored, POLICY)) for outcome in some)
        else:
            row["AUROC"] = auroc(answerable, best)
            row["accuracy"] = (answered + refused) / 2
        row["supported"] = float((best >= POLICY.supported_from).mean())
        row["partial"] = 1.0 - float(row["supported"]) - refused
        row["refused"] = refused
        rows.append(row)
    return rows


def best_of(some: Iterable[Outcome]) -> Floats:
    return np.array([outcome.probability for outcome in some])


def auroc(high: Floats, low: Floats) -> float:
    """How often a value of `high` lies above one of `low`; ties count half."""
    above = np.subtract.outer(high, low)
    return float((above > 0).mean() + (above == 0).mean() / 2)


async def timings(loaded: Loaded, remembering: Remembering) -> Row:
    """What an answer takes beyond its search, with one thread and nothing remembered."""
    embedder = MiniLM(threads=1)
    wall, cpu, quotes = [], [], []
    for case in [case for case in loaded.data.cases if case.kind == "answerable"][:TIMED]:
        question, hits = await loaded.ask(case, remembering)
        began, began_cpu = time.perf_counter(), time.process_time()
        answer = await extract(question, hits, embedder, loaded.index, POLICY)
        wall.append((time.perf_counter() - began) * 1000.0)
        cpu.append((time.process_time() - began_cpu) * 1000.0)
        quotes += [citation.verified for citation in answer.citations]
    return {
        "set": loaded.data.name,
        "n": len(wall),
        "p50 ms": statistics.median(wall),
        "p95 ms": float(np.quantile(wall, 0.95)),
        "CPU p50 ms": statistics.median(cpu),
        "CPU p95 ms": float(np.quantile(cpu, 0.95)),
        "quotes verified": statistics.fmean(quotes),
    }


# ---------------------------------------------------------------- fitting


def fitted(cases: Sequence[tuple[Outcome, float]]) -> dict[str, float | list[float]]:
    """Constants for ragstone/answer/calibration.py.

    The weights are a logistic regression over the candidates: does this sentence hold the answer? Then
    intercept and scale are fitted again to the best sentence of each question, which is what the
    probability is asked of. Questions with and without an answer weigh the same, and so do the sets.
    """
    cases = [(outcome, weight) for outcome, weight in cases if outcome.scored]
    evidence = [np.array([scored.evidence for scored in outcome.scored]) for outcome, _ in cases]
    labels = [np.array(outcome.right, np.float64) for outcome, _ in cases]
    shares = [np.full(len(rows), weight / len(rows)) for rows, (_, weight) in zip(evidence, cases, strict=True)]
    _, *weights = regression(np.concatenate(evidence), np.concatenate(labels), np.concatenate(shares))
    best = [int(np.argmax(rows @ np.array(weights))) for rows in evidence]
    logits = np.array([rows[place] @ np.array(weights) for rows, place in zip(evidence, best, strict=True)])
    right = np.array([label[place] for label, place in zip(labels, best, strict=True)])
    intercept, scale = regression(logits[:, None], right, np.array([weight for _, weight in cases]))
    probabilities = 1.0 / (1.0 + np.exp(-(intercept + scale * logits)))
    return {
        "intercept": round(intercept, 2),
        "weights": [round(scale * weight, 2) for weight in weights],
        **thresholds(probabilities, [outcome.case.kind for outcome, _ in cases]),
    }


def weighted(found: Iterable[Outcome]) -> list[tuple[Outcome, float]]:
    """The cases to fit on; every set weighs 2, its answerable questions 1, and its other kinds 1 together."""
    groups = defaultdict[str, list[Outcome]](list)
    for outcome in found:
        if outcome.case.fits and outcome.case.kind != "in its paragraph":
            groups[outcome.case.kind].append(outcome)
    others = len(groups) - 1
    return [
        (outcome, (1.0 if kind == "answerable" else 1.0 / others) / len(some))
        for kind, some in groups.items()
        for outcome in some
    ]


def regression(features: Floats, labels: Floats, weights: Floats) -> list[float]:
    """Intercept and coefficients of a weighted logistic regression, by Newton's method."""
    columns = np.column_stack([np.ones(len(features)), features])
    beta = np.zeros(columns.shape[1])
    for _ in range(50):
        predicted = 1.0 / (1.0 + np.exp(-columns @ beta))
        curvature = columns.T @ (columns * (weights * predicted * (1.0 - predicted))[:, None])
        step = np.linalg.solve(curvature, columns.T @ (weights * (labels - predicted)))
        beta += step
        if np.abs(step).max() < 1e-9:
            break
    return [float(value) for value in beta]


def thresholds(probabilities: Floats, kinds: Sequence[str]) -> dict[str, float]:
    """Where to begin to answer, and where to call the answer supported.

    Begin where one question in ten that has an answer is refused; supported where one near miss in ten
    (the gold removed, or unanswerable by people's judgement) is left.
    """
    answerable = probabilities[np.array([kind == "answerable" for kind in kinds])]
    near = probabilities[np.array([kind in {"gold removed", "unanswerable"} for kind in kinds])]
    return {
        "partial_from": round(20 * float(np.quantile(answerable, 0.1))) / 20,
        "supported_from": round(20 * float(np.quantile(near, 0.9))) / 20,
    }


# ---------------------------------------------------------------- output


async def figures() -> dict[str, list[Row]]:
    remembering = Remembering(MiniLM(threads=2))
    quality: list[Row] = []
    times: list[Row] = []
    for data in all_sets():
        loaded = await load(data, remembering)
        quality += measures(data.name, await loaded.outcomes(remembering))
        times.append(await timings(loaded, remembering))
    return {"quality": quality, "time beyond the search": times}


async def constants() -> dict[str, float | list[float]]:
    remembering = Remembering(MiniLM(threads=2))
    cases: list[tuple[Outcome, float]] = []
    for data in all_sets():
        if any(case.fits for case in data.cases):
            cases += weighted(await (await load(data, remembering)).outcomes(remembering))
    return fitted(cases)


def table(rows: Sequence[Row]) -> str:
    """Rows in columns; a cell that a row does not have stays empty."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [columns, *([cell(row.get(column, "")) for column in columns] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(columns))]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in cells)


def cell(value: str | float) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="print the figures as JSON")
    shape.add_argument("--fit", action="store_true", help="print fitted constants instead of figures")
    options = parser.parse_args()
    if reason := missing():
        print(reason)
        return 0
    if options.fit:
        print(json.dumps(asyncio.run(constants()), indent=2))
        return 0
    found = asyncio.run(figures())
    if options.json:
        print(json.dumps(found, indent=2))
        return 0
    for name, rows in found.items():
        print(f"{name}\n{table(rows)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
