"""How well sentences of answers are told from sentences that the passages do not support, and cited.

    python benchmarks/grounding.py [--json | --fit]

Uses the third-party data beside the checkout (../shared/data). Figures are of the halves that no constant was fitted
on, and of a set that had no part in it. `--fit` prints the constants of ragstone/answer/judge.py.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from grounding_sets import Case, all_cases, missing, translated

from ragstone.answer.attribute import Ground, Verdict, candidates_of
from ragstone.answer.claims import bare, states_something
from ragstone.answer.compare import Statement
from ragstone.answer.context import Context, Numbered
from ragstone.answer.judge import FEATURES
from ragstone.answer.stream import Sentence
from ragstone.domain import EmbeddingModel, Hit, Passage, Question, Scores, Span, Store
from ragstone.fakes.memory import Memory, MemoryIndex
from ragstone.text import sentences

COPIES = 150  # answers of each kind that a poor model gives
TIMED = 150  # sentences whose grounding is timed
SHRINK = 0.01  # ridge of the regression: with so few features it only keeps it from running away
STORE = Store(1, "vs_1", "benchmark", EmbeddingModel("none", 1, 1), "english", datetime.now(UTC))

Floats: TypeAlias = npt.NDArray[np.float64]
Row: TypeAlias = dict[str, str | float]


class Shelf(MemoryIndex):
    """An index of which only the stored texts matter."""

    def __init__(self, texts: Sequence[str]) -> None:
        super().__init__(Memory())
        self._texts = texts

    async def quotes(self, stores: Sequence[Store], spans: Sequence[Span]) -> Sequence[frozenset[str]]:  # noqa: ARG002
        """What stands there."""
        return [frozenset({self._texts[int(span.file_id)][span.start : span.end]}) for span in spans]


@dataclass(frozen=True)
class Judged:
    """A case and what was made of it; no verdict: nothing is claimed, or there is no evidence at all."""

    case: Case
    verdict: Verdict | None

    @property
    def probability(self) -> float:
        """That it is supported."""
        return 0.0 if self.verdict is None else self.verdict.probability

    @property
    def supported(self) -> bool:
        """Whether it counts as supported."""
        return self.verdict is not None and self.verdict.supports


def context_of(passages: Sequence[str]) -> Context:
    """The passages as a model would be shown them, each a document of its own."""
    hits = [
        Hit(Passage(place, str(place), "text.md", "text.md", {}, None, (), (), text, 0, len(text)), Scores(0, 0, 0))
        for place, text in enumerate(passages)
    ]
    numbered = tuple(Numbered(place + 1, (hit.passage,)) for place, hit in enumerate(hits))
    return Context(numbered, tuple(hits), 1024)


def ground_of(case: Case) -> Ground:
    candidates = candidates_of(context_of(case.passages), [STORE.language])
    return Ground(Question(case.question, (STORE,)), candidates, Shelf(case.passages))


def judged(cases: Iterable[Case]) -> list[Judged]:
    """What is made of each case."""
    found = []
    for case in cases:
        claim = Statement(bare(case.claim), [STORE.language])
        if states_something(case.claim, "") and (claim.terms or claim.numbers):
            found.append(Judged(case, ground_of(case).judge(claim)))
    return found


def measures(found: Sequence[Judged]) -> list[Row]:
    """One row a kind of claim; AUROC is of the right ones of the set against this kind."""
    kinds = defaultdict[str, list[Judged]](list)
    for one in found:
        if not one.case.fits:
            kinds[one.case.kind].append(one)
    rows = []
    for kind, some in sorted(kinds.items()):
        own = [one for name, many in kinds.items() if name.split()[0] == kind.split()[0] for one in many]
        right = np.array([one.probability for one in own if one.case.supported])
        row: Row = {"claims": kind, "n": len(some), "right": float(some[0].case.supported)}
        row["supported"] = statistics.fmean(one.supported for one in some)
        row["contradicted"] = statistics.fmean(one.verdict is not None and one.verdict.contradicted for one in some)
        if not some[0].case.supported:
            row["AUROC"] = auroc(right, np.array([one.probability for one in some]))
        rows.append(row)
    return rows


def auroc(high: Floats, low: Floats) -> float:
    """How often a value of `high` lies above one of `low`; ties count half."""
    above = np.subtract.outer(high, low)
    return float((above > 0).mean() + (above == 0).mean() / 2)


def fitted(found: Sequence[Judged]) -> list[float]:
    """Intercept and weights; every set's right and wrong claims weigh the same."""
    some = [one for one in found if one.case.fits and one.verdict is not None and not one.verdict.contradicted]
    rows = np.array([one.verdict.features for one in some if one.verdict is not None])
    labels = np.array([float(one.case.supported) for one in some])
    groups = [(one.case.kind.split()[0], one.case.supported) for one in some]
    weights = np.array([len(some) / len(set(groups)) / groups.count(group) for group in groups])
    return [round(float(one), 2) for one in regression(rows, labels, weights)]


def regression(features: Floats, labels: Floats, weights: Floats) -> Floats:
    """Logistic regression by Newton's method: the intercept, and a weight a column."""
    rows = np.column_stack([np.ones(len(features)), features])
    coefficients = np.zeros(rows.shape[1])
    ridge = SHRINK * np.eye(rows.shape[1])
    for _ in range(50):
        likely = 1.0 / (1.0 + np.exp(-rows @ coefficients))
        gradient = rows.T @ (weights * (likely - labels)) + ridge @ coefficients
        hessian = (rows * (weights * likely * (1.0 - likely))[:, None]).T @ rows + ridge
        coefficients = coefficients - np.linalg.solve(hessian, gradient)
    return np.asarray(coefficients, np.float64)


@dataclass(frozen=True)
class Copied:
    """What a poor model says, and which passages each of its sentences is from."""

    text: str
    sources: Sequence[tuple[int, str]]  # number of the passage, and the words in it; none: it made them up
    cited: frozenset[int]


def copies(cases: Sequence[Case], kind: str) -> Iterator[tuple[Case, Copied]]:
    """Answers as a poor model gives them to these questions."""
    chance = random.Random(4)
    for case in cases:
        known = [
            (place + 1, passage[start:end])
            for place, passage in enumerate(case.passages)
            for start, end in sentences.spans(passage)
            if 40 < end - start < 300 and passage[end - 1] == "."
        ]
        one, two = chance.sample(known, 2)
        words = " ".join(text for _, text in known).split()
        if kind == "two sentences in one":
            text = f"{one[1].rstrip('.')}, and {two[1]}"
            yield case, Copied(text, (one, two), frozenset())
        elif kind == "words at random":
            yield case, Copied(" ".join(chance.sample(words, 12)).capitalize() + ".", (), frozenset({one[0]}))
        elif kind == "letters at random":
            text = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz    ", k=80)).strip().capitalize() + "."
            yield case, Copied(text, (), frozenset({one[0]}))
        else:
            wrong = {"no ids": set[int](), "wrong ids": {two[0] if two[0] != one[0] else 99}}[kind]
            yield case, Copied(one[1], (one,), frozenset(wrong))


async def citing(cases: Sequence[Case], kind: str) -> Row:
    """How the sentences of a poor model are cited."""
    cited, right, citations = [], [], 0
    for case, copied in copies(cases, kind):
        support = await ground_of(case).support(Sentence(copied.text, copied.cited), "")
        quotes = [(int(one.file_id) + 1, " ".join(one.quote.split())) for one in support.citations]
        citations += len(quotes)
        cited.append(
            all(any(" ".join(words.split()) in quote for _, quote in quotes) for _, words in copied.sources)
            if copied.sources
            else support.supported
        )
        spoken = [" ".join(words.split()) for _, words in copied.sources]
        right += [any(words in quote or quote in words for words in spoken) for _, quote in quotes]
    name = "cited with all their sources" if kind[:2] in ("no", "wr", "tw") else "said to be supported"
    row: Row = {"a model that copies, or speaks": kind, "n": len(cited), name: statistics.fmean(cited)}
    if right:
        row["citations that are right"] = statistics.fmean(right)
    return row


def languages() -> Iterator[Row]:
    """Sentences copied from a paragraph in their language, and set against the same paragraph in English."""
    for code, name in (("de", "german"), ("es", "spanish"), ("ru", "russian"), ("zh", "english")):
        store = replace(STORE, language=name)
        same: list[bool] = []
        foreign: list[bool] = []
        for claim, text, english in translated(code):
            for passage, found in ((text, same), (english, foreign)):
                candidates = candidates_of(context_of([passage]), [name])
                verdict = Ground(Question("?", (store,)), candidates, Shelf([passage])).judge(Statement(claim, [name]))
                found.append(verdict is not None and verdict.supports)
        yield {
            "language": code,
            "n": len(same),
            "copied, supported": statistics.fmean(same),
            "from English, supported": statistics.fmean(foreign),
        }


async def timings(cases: Sequence[Case]) -> Row:
    """What grounding takes: once for the passages of an answer, and for each sentence."""
    preparing, each = [], []
    for case in cases[:TIMED]:
        began = time.perf_counter()
        ground = ground_of(case)
        ready = time.perf_counter()
        await ground.support(Sentence(case.claim, frozenset()), "")
        each.append((time.perf_counter() - ready) * 1000.0)
        preparing.append((ready - began) * 1000.0)
    return {
        "sentences": len(each),
        "passages, p50 ms": statistics.median(preparing),
        "sentence, p50 ms": statistics.median(each),
        "sentence, p95 ms": float(np.quantile(each, 0.95)),
    }


async def main() -> None:
    parser = argparse.ArgumentParser(description="Grounding of sentences: how often it is right, and what it takes.")
    parser.add_argument("--json", action="store_true", help="one JSON object for each row")
    parser.add_argument("--fit", action="store_true", help="print the constants instead")
    chosen = parser.parse_args()
    if missing():
        print(missing())
        return
    found = judged(all_cases())
    if chosen.fit:
        print(dict(zip(("intercept", *FEATURES), fitted(found), strict=True)))
        return
    rows = measures(found)
    asked = [one.case for one in found if one.case.kind == "ClapNQ answer"][:COPIES]
    for kind in ("no ids", "wrong ids", "two sentences in one", "words at random", "letters at random"):
        rows.append(await citing(asked, kind))
    rows += languages()
    rows.append(await timings(asked))
    for row in rows:
        print(json.dumps(row) if chosen.json else "  ".join(f"{key} {_shown(value)}" for key, value in row.items()))


def _shown(value: str | float) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    asyncio.run(main())
