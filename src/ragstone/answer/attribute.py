"""For each sentence of an answer the words of the documents that support it, or the word that nothing does.

It is worked out, not asked of the model: the ids that a model names only decide between passages that support a
sentence equally well.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ragstone.answer import compare, roles
from ragstone.answer.cite import Quoted, standing
from ragstone.answer.claims import bare, states_something
from ragstone.answer.compare import Evidence, Statement
from ragstone.answer.context import Context
from ragstone.answer.judge import JUDGE
from ragstone.answer.stream import Sentence
from ragstone.answer.task import Task
from ragstone.answer.units import MAX_QUOTE, Unit, units
from ragstone.domain import Citation, Passage, Question
from ragstone.ports import Index

_CANDIDATES = 12  # sentences of the documents that are looked at closely for one of the answer
_TOGETHER = 4  # that support one at most
LONGEST = _TOGETHER * MAX_QUOTE  # characters of a claim: one that is longer says more than what can be quoted for it
_OWN = 0.2  # share of the claim's terms that each of them has
_ADDS = 0.1  # and that it adds to the others
_SHORT = 3  # terms: with fewer, a sentence says something only as the answer to its question
_NAMED = 0.05  # what the model's word for a passage counts when candidates are compared


@dataclass(frozen=True, slots=True)
class Support:
    """What was found out about a sentence."""

    claims: bool  # whether it states something that has to be supported
    citations: tuple[Citation, ...] = ()  # of the words that do; their place in the answer is not known yet

    @property
    def supported(self) -> bool:
        """Whether the documents bear it out."""
        return bool(self.citations)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence of the documents that could support one of the answer."""

    number: int  # of the passage, as the model was shown it
    passage: Passage
    unit: Unit
    statement: Statement  # with its label
    around: Statement  # its whole passage, with its title
    title: Statement  # heading and name


@dataclass(frozen=True, slots=True)
class Verdict:
    """The best evidence for a claim, and what it is worth."""

    chosen: Sequence[Candidate]
    features: tuple[float, ...]
    contradicted: bool
    probability: float
    supports: bool


class Ground:
    """The sentences of the passages of one answer."""

    def __init__(self, question: Question, candidates: Sequence[Candidate], index: Index) -> None:
        self._question = question
        self._languages = languages_of(question)
        self._candidates = candidates
        self._counts = _counts(candidates)
        self._index = index

    @classmethod
    async def of(cls, task: Task, context: Context) -> Ground:
        """The ground of a context; takes some milliseconds of another thread."""
        candidates = await asyncio.to_thread(candidates_of, context, languages_of(task.question))
        return cls(task.question, candidates, task.index)

    async def support(self, sentence: Sentence, before: str) -> Support:
        """What supports a sentence of the answer; `before` is the line before it, or what precedes it in its own.

        The words that do are read again where they are stored; what is not there any more supports nothing.
        """
        text = sentence.text.strip()
        if not states_something(text, before):
            return Support(claims=False)
        if len(text) > LONGEST:
            return Support(claims=True)
        claim = Statement(bare(text), self._languages)
        if not claim.terms and not claim.numbers:
            return Support(claims=False)
        verdict = await asyncio.to_thread(self.judge, claim, sentence.cited)
        if verdict is None or not verdict.supports:
            return Support(claims=True)
        quoted = [Quoted(one.passage, one.unit, verdict.probability) for one in verdict.chosen]
        found = await standing(self._question, quoted, self._index)
        if not all(found):
            return Support(claims=True)
        distinct = {(one.file_id, one.start_index, one.end_index): one for citations in found for one in citations}
        return Support(claims=True, citations=tuple(distinct.values()))

    def judge(self, claim: Statement, cited: frozenset[int] = frozenset()) -> Verdict | None:
        """The best evidence for a claim; None: there is none at all."""
        whole = self._in_context(claim)
        own = claim.words if whole is not claim else frozenset[str]()
        weights = self._weights(whole.terms)
        likely = self._likely(weights, cited)
        return _verdict(whole, own, weights, _together(likely, weights)) if likely else None

    def _in_context(self, claim: Statement) -> Statement:
        """A claim of a few words as the answer to its question."""
        if len(claim.terms) > _SHORT:
            return claim
        return Statement(f"{self._question.text} {claim.text}", self._languages)

    def _weights(self, terms: frozenset[str]) -> Mapping[str, float]:
        """How well each term tells the candidates apart (BM25's idf over them), with a sum of 1."""
        total = len(self._candidates)
        idf = {
            term: math.log1p((total - self._counts.get(term, 0) + 0.5) / (self._counts.get(term, 0) + 0.5))
            for term in terms
        }
        whole = sum(idf.values()) or 1.0
        return {term: weight / whole for term, weight in idf.items()}

    def _likely(self, weights: Mapping[str, float], cited: frozenset[int]) -> list[Candidate]:
        scores = [
            compare.share(one.statement.terms, weights) + _NAMED * (one.number in cited) for one in self._candidates
        ]
        order = sorted(range(len(scores)), key=lambda place: -scores[place])
        return [self._candidates[place] for place in order[:_CANDIDATES]]


def _verdict(
    claim: Statement, own: frozenset[str], weights: Mapping[str, float], chosen: Sequence[Candidate]
) -> Verdict:
    evidence = Evidence(
        [one.statement for one in chosen], [one.around for one in chosen], [one.title for one in chosen]
    )
    features = (
        compare.pair_share(claim, evidence),
        compare.strange_names(claim, evidence),
        compare.weakest_hold(claim, own, evidence, weights),
    )
    contradicted = (
        compare.missing_number(claim, evidence)
        or compare.denied(claim, evidence)
        or roles.exchanged(claim, evidence)
        or roles.displaced(claim, evidence)
    )
    probability = 0.0 if contradicted else JUDGE.probability(features)
    needed = JUDGE.short_from if own else JUDGE.supported_from
    return Verdict(chosen, features, contradicted, probability, probability >= needed)


def _together(likely: Sequence[Candidate], weights: Mapping[str, float]) -> list[Candidate]:
    """The best candidate, and those that have much of the claim themselves and add to it what the others lack."""
    chosen = [likely[0]]
    further = [one for one in likely[1:] if compare.share(one.statement.terms, weights) >= _OWN]
    covered = set(likely[0].statement.terms)
    while further and len(chosen) < _TOGETHER:
        gains = [compare.share(one.statement.terms - covered, weights) for one in further]
        best = int(np.argmax(gains))
        if gains[best] < _ADDS:
            break
        covered |= further[best].statement.terms
        chosen.append(further.pop(best))
    return chosen


def languages_of(question: Question) -> list[str]:
    """Of the stores that are asked, each once."""
    return sorted({store.language for store in question.stores})


def candidates_of(context: Context, languages: Sequence[str]) -> list[Candidate]:
    """Everything that can be quoted from the passages of a context."""
    found = []
    for numbered in context.passages:
        for passage in numbered.parts:
            title = "\n".join((passage.filename, *passage.heading))
            titled = Statement(title, languages)
            around = Statement(f"{title}\n{passage.text}", languages)
            for unit in units(passage.text, passage.heading):
                label = passage.text[unit.label[0] : unit.label[1]] + "\n" if unit.label else ""
                statement = Statement(label + passage.text[unit.start : unit.end], languages)
                assert statement.terms is not None  # worked out here, in the thread
                held = replace(passage, chunk_id=_chunk_of(context, passage, unit))
                found.append(Candidate(numbered.id, held, unit, statement, around, titled))
    return found


def _chunk_of(context: Context, passage: Passage, unit: Unit) -> int:
    """The chunk that a sentence stands in; of one that was put together from two, the first."""
    start, end = passage.start + unit.start, passage.start + unit.end
    for hit in context.hits:
        if hit.passage.file_id == passage.file_id and hit.passage.start <= start and end <= hit.passage.end:
            return hit.passage.chunk_id
    return passage.chunk_id


def _counts(candidates: Sequence[Candidate]) -> Mapping[str, int]:
    """In how many candidates each term occurs."""
    counts: dict[str, int] = {}
    for one in candidates:
        for term in one.statement.terms:
            counts[term] = counts.get(term, 0) + 1
    return counts
