"""How a sentence of an answer compares with the sentences of the documents that could support it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from ragstone.answer import wording
from ragstone.text import analyzer

_SPOKEN_OF = 2  # terms that two clauses share when they speak of the same
_SAME = 0.3  # and this share of the claim's clause
_WINDOW = 3  # terms between two that belong together


class Statement:
    """A text with all that is compared of it, each worked out when it is first asked for."""

    def __init__(self, text: str, languages: Sequence[str]) -> None:
        self.text = text
        self._languages = languages

    @cached_property
    def sequence(self) -> tuple[str, ...]:
        """The terms in their order, as the first language has them."""
        return tuple(analyzer.terms(self.text, self._languages[0]))

    @cached_property
    def terms(self) -> frozenset[str]:
        """The terms in all languages."""
        others = (analyzer.term_counts(self.text, language) for language in self._languages[1:])
        return frozenset(self.sequence).union(*others)

    @cached_property
    def words(self) -> frozenset[str]:
        """The words as they stand, in lower case."""
        return wording.words(self.text)

    @cached_property
    def spots(self) -> Sequence[wording.Spot]:
        """The words in their places."""
        return wording.spots(self.text)

    @cached_property
    def names(self) -> Sequence[str]:
        """Words that name something."""
        return wording.names(self.text)

    @cached_property
    def numbers(self) -> Sequence[wording.Number]:
        """Numbers that a text that supports this one has to have."""
        return wording.numbers(self.text)

    @cached_property
    def known_numbers(self) -> Sequence[wording.Number]:
        """All that can be read as a number."""
        return wording.loose_numbers(self.text)

    @cached_property
    def clauses(self) -> Sequence[Statement]:
        """Parts of it that can be so or not on their own."""
        return [Statement(clause, self._languages) for clause in wording.clauses(self.text)]

    @cached_property
    def pairs(self) -> frozenset[tuple[str, str]]:
        """Terms that follow each other closely."""
        found = self.sequence
        return frozenset(
            (one, other) for place, one in enumerate(found) for other in found[place + 1 : place + 1 + _WINDOW]
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """Sentences of the documents that are to support a claim together."""

    chosen: Sequence[Statement]  # best first
    around: Sequence[Statement]  # the passages that they stand in, with their titles
    titles: Sequence[Statement]  # headings and file names of these


def share(terms: Collection[str], weights: Mapping[str, float]) -> float:
    """The part of the weights that these terms have."""
    return sum(weight for term, weight in weights.items() if term in terms)


def missing_number(claim: Statement, evidence: Evidence) -> bool:
    """Whether a number of the claim does not stand in the evidence."""
    known = [number for one in evidence.chosen for number in one.known_numbers]
    return any(not any(number.equals(other) for other in known) for number in claim.numbers)


def strange_names(claim: Statement, evidence: Evidence) -> float:
    """The share of the claim's names that the evidence does not have, not even inside of a word with hyphens."""
    asked = claim.names
    known = frozenset[str]().union(*(one.words for one in (*evidence.chosen, *evidence.titles)))
    parts = frozenset(part for word in known for part in word.replace("/", "-").replace("_", "-").split("-"))
    return sum(name not in known and name not in parts for name in asked) / len(asked) if asked else 0.0


def pair_share(claim: Statement, evidence: Evidence) -> float:
    """The share of neighbouring terms of the claim that are neighbours in the evidence as well."""
    asked = set(pairwise(claim.sequence))
    known = frozenset[tuple[str, str]]().union(*(one.pairs for one in evidence.chosen))
    return sum(pair in known for pair in asked) / len(asked) if asked else 0.0


def weakest_hold(claim: Statement, own: Collection[str], evidence: Evidence, weights: Mapping[str, float]) -> float:
    """How much of the claim stands beside the one of its names, numbers and `own` words that stands most alone.

    A name out of another sentence than the rest of the claim is a sign that it took another one's place.
    """
    held = [
        max((share(one.terms, weights) for one in evidence.chosen if name in one.words), default=0.0)
        for name in _anchors(claim, own, evidence)
    ]
    held += [
        max(
            (share(one.terms, weights) for one in evidence.chosen if any(map(number.equals, one.known_numbers))),
            default=0.0,
        )
        for number in claim.numbers
    ]
    return min(held, default=share(evidence.chosen[0].terms, weights))


def _anchors(claim: Statement, own: Collection[str], evidence: Evidence) -> Iterator[str]:
    """The names and `own` words of a claim; those that stand only in a title go for every sentence below it."""
    first = wording.first_word(claim.text)
    named = {name for text in evidence.around for name in text.names}
    for name in dict.fromkeys((*claim.names, *own, *((first,) if first in named else ()))):
        in_title = any(name in title.words for title in evidence.titles)
        if not in_title or any(name in one.words for one in evidence.chosen):
            yield name


def denied(claim: Statement, evidence: Evidence) -> bool:
    """Whether the evidence says the opposite where both speak of the same."""
    return any(
        wording.differ(one.text, other.text) or wording.opposed(one.text, other.text)
        for one, other in _same_topic(claim, evidence)
    )


def _same_topic(claim: Statement, evidence: Evidence) -> Iterator[tuple[Statement, Statement]]:
    """Each clause of the claim with the clause of the evidence that shares most terms with it, if it shares enough."""
    known = [clause for one in evidence.chosen for clause in one.clauses]
    for clause in claim.clauses:
        nearest = max(known, key=lambda other: len(clause.terms & other.terms), default=None)
        if nearest is None:
            continue
        common = len(clause.terms & nearest.terms)
        if common >= _SPOKEN_OF and common >= _SAME * len(clause.terms):
            yield clause, nearest
