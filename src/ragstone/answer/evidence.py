"""How strongly each sentence of the found passages speaks for being the answer."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ragstone.answer.calibration import Evidence, Policy
from ragstone.answer.units import Unit, units
from ragstone.domain import Hit, Passage, Question, Vector
from ragstone.ports import Embedder
from ragstone.text import analyzer

_EMBEDDED_CHARACTERS = 500  # of a sentence: beyond, embedding takes long and changes little


@dataclass(frozen=True, slots=True)
class Quotable:
    """Something that could stand in the answer, with its place."""

    passage: Passage
    unit: Unit
    likeness: float  # cosine of question and passage

    @property
    def text(self) -> str:
        """The words themselves."""
        return self.passage.text[self.unit.start : self.unit.end]


@dataclass(frozen=True, slots=True)
class Scored:
    """A quotable stretch, how likely it holds the answer, and its meaning."""

    quotable: Quotable
    probability: float
    vector: Vector
    evidence: Evidence  # shape (3,): what the probability rests on


async def score(question: Question, hits: Sequence[Hit], embedder: Embedder, policy: Policy) -> list[Scored]:
    """The most promising sentences of the passages, likeliest first; at most `policy.candidates`.

    All are compared by words and by their passage; only the most promising are embedded. Of sentences
    with the same words the one in the better passage counts.
    """
    # In a thread: fifty passages take tens of milliseconds, in which nobody else would be answered.
    candidates, evidence = await asyncio.to_thread(_promising, question, hits, policy)
    if not candidates:
        return []
    asked = (await embedder.embed_queries([question.text]))[0]
    vectors = await embedder.embed_passages([candidate.text[:_EMBEDDED_CHARACTERS] for candidate in candidates])
    evidence[:, 0] = vectors @ asked
    probabilities = policy.calibration.probability(evidence)
    order = np.argsort(-probabilities, kind="stable")
    return [Scored(candidates[place], float(probabilities[place]), vectors[place], evidence[place]) for place in order]


def _promising(question: Question, hits: Sequence[Hit], policy: Policy) -> tuple[list[Quotable], Evidence]:
    """The candidates to embed, and their evidence with the first column, the cosine, still 0."""
    languages = sorted({store.language for store in question.stores})
    candidates = _distinct(hits)
    words = [_terms(f"{_title(one.passage)}\n{one.text}", languages) for one in candidates]
    weights = _weights(_terms(question.text, languages), words)
    rows = [(0.0, _share(terms, weights), one.likeness) for one, terms in zip(candidates, words, strict=True)]
    evidence = np.array(rows, np.float64).reshape(len(rows), 3)
    best = np.argsort(-policy.calibration.probability(evidence), kind="stable")[: policy.candidates]
    return [candidates[place] for place in best], evidence[best]


def _distinct(hits: Sequence[Hit]) -> list[Quotable]:
    """Everything quotable in the passages; what several of them say in the same words is taken from the first."""
    found: dict[str, Quotable] = {}
    for hit in hits:
        for unit in units(hit.passage.text, hit.passage.heading):
            quotable = Quotable(hit.passage, unit, hit.scores.dense)
            found.setdefault(" ".join(quotable.text.split()), quotable)
    return list(found.values())


def _title(passage: Passage) -> str:
    return passage.heading[-1] if passage.heading else ""


def _terms(text: str, languages: Sequence[str]) -> set[str]:
    return {term for language in languages for term in analyzer.term_counts(text, language)}


def _weights(asked: Collection[str], sentences: Sequence[Collection[str]]) -> Mapping[str, float]:
    """How well each term of the question tells these sentences apart (BM25's idf over them), with a sum of 1.

    A word that none of them has weighs most: that it is missing speaks against every answer.
    """
    counts = {term: sum(term in terms for terms in sentences) for term in asked}
    idf = {term: math.log1p((len(sentences) - count + 0.5) / (count + 0.5)) for term, count in counts.items()}
    total = sum(idf.values())
    return {term: weight / total for term, weight in idf.items()}


def _share(terms: Collection[str], weights: Mapping[str, float]) -> float:
    return sum(weight for term, weight in weights.items() if term in terms)
