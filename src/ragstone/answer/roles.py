"""Whether the names and numbers of a claim stand where the evidence has them, or have taken others' places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

from ragstone.answer import wording
from ragstone.answer.compare import Evidence, Statement
from ragstone.text.stopwords import STOPWORDS

_WINDOW = 3  # words to each side that say what a name or a number is there for
_SLIGHT = 0.5  # weight of a stop word among them
# So much better have they to fit elsewhere. Tried on answers that people wrote: with 1 for names, twice as many of the
# right ones were turned down; for other words, 3 costs nothing and still sees "reads fail and writes go on".
_NAMES, _WORDS, _NUMBERS = 1.5, 3.0, 0.5
_ENOUGH = 2.0  # and so well at least, where something stands in the place that the claim does not have
_APART = 2  # words between two that are compared, one that follows the other is no role
_STOPWORDS = STOPWORDS["english"]

_Sides: TypeAlias = tuple[frozenset[str], frozenset[str]]  # the words before and behind


@dataclass(frozen=True, slots=True)
class _Anchor:
    """A name, a number or another word of the claim, and the words around it."""

    word: str
    number: wording.Number | None  # None: it is no number
    is_name: bool
    place: int  # among the words of the claim
    sides: _Sides

    def places_in(self, other: Statement) -> Mapping[int, _Sides]:
        """Where the same stands in another text."""
        if self.number is None:
            return _around(other, _places(other, {self.word}))
        return _around(other, _held(other, [one.start for one in other.known_numbers if self.number.equals(one)]))

    def rivals_in(self, other: Statement, claim: Statement) -> Mapping[int, _Sides]:
        """Where another name, or another number, stands that the claim does not have."""
        if self.number is None:
            names = {*other.names, wording.first_word(other.text)} - claim.words - _STOPWORDS
            return _around(other, _places(other, names))
        known = claim.known_numbers
        foreign = [one.start for one in other.numbers if not any(map(one.equals, known))]
        return _around(other, _held(other, foreign))


def exchanged(claim: Statement, evidence: Evidence) -> bool:
    """Whether two names, numbers or words of the claim stand in the evidence each in the other's place.

    That is so when the words around them fit clearly better crosswise. Where only one text is in the passive, names
    are not compared.
    """
    pairs = list(combinations(_anchors(claim), 2))
    return any(_crosswise(one, two, claim, other) for other in evidence.chosen for one, two in pairs)


def displaced(claim: Statement, evidence: Evidence) -> bool:
    """Whether a name, or a number, stands where the evidence has one that the claim does not name at all."""
    return any(_is_displaced(anchor, claim, evidence) for anchor in _anchors(claim) if anchor.is_name or anchor.number)


def _is_displaced(anchor: _Anchor, claim: Statement, evidence: Evidence) -> bool:
    own = [(_fit(anchor.sides, anchor.places_in(other)), other) for other in evidence.chosen]
    best = max(fit for fit, _ in own)
    near = max((_shared(claim, other) for fit, other in own if fit), default=0)
    for other in evidence.chosen:
        if anchor.is_name and _turned(claim, other):
            continue
        # A number has to stand in the sentence that is nearest to the claim; a name may be known from elsewhere.
        margin = _NUMBERS if anchor.number and _shared(claim, other) >= near else _NAMES
        if _fit(anchor.sides, anchor.rivals_in(other, claim)) >= max(best + margin, _ENOUGH):
            return True
    return False


def _shared(claim: Statement, other: Statement) -> int:
    """How many terms both have, numbers aside."""
    return sum(not term.isdigit() for term in claim.terms & other.terms)


def _crosswise(one: _Anchor, two: _Anchor, claim: Statement, other: Statement) -> bool:
    alike = (one.number is None) == (two.number is None)
    if not alike or abs(one.place - two.place) < _APART or (one.number is None and _turned(claim, other)):
        return False
    first, second = one.places_in(other), two.places_in(other)
    if not first or not second or not first.keys().isdisjoint(second):
        return False
    straight = _fit(one.sides, first) + _fit(two.sides, second)
    margin = _NAMES if one.number or (one.is_name and two.is_name) else _WORDS
    return _fit(one.sides, second) + _fit(two.sides, first) >= straight + margin


def _turned(claim: Statement, other: Statement) -> bool:
    """Whether one of them is in the passive, so that its names stand the other way round."""
    return (" by " in claim.text) != (" by " in other.text)


def _anchors(claim: Statement) -> Iterator[_Anchor]:
    names = {wording.first_word(claim.text), *claim.names}
    seen = set(_STOPWORDS)
    for place, spot in enumerate(claim.spots):
        number = next((number for number in claim.numbers if spot.holds(number.start)), None)
        if number is not None or spot.word not in seen:
            seen.add(spot.word)
            yield _Anchor(spot.word, number, spot.word in names, place, _sides(claim.spots, place))


def _places(other: Statement, words: frozenset[str] | set[str]) -> list[int]:
    return [place for place, spot in enumerate(other.spots) if spot.word in words]


def _held(other: Statement, starts: Sequence[int]) -> list[int]:
    return [place for place, spot in enumerate(other.spots) if any(map(spot.holds, starts))]


def _around(other: Statement, places: Sequence[int]) -> Mapping[int, _Sides]:
    return {place: _sides(other.spots, place) for place in places}


def _sides(spots: Sequence[wording.Spot], place: int) -> _Sides:
    before, behind = spots[max(place - _WINDOW, 0) : place], spots[place + 1 : place + 1 + _WINDOW]
    return frozenset(spot.word for spot in before), frozenset(spot.word for spot in behind)


def _fit(said: _Sides, known: Mapping[int, _Sides]) -> float:
    """How many words stand on the same side, at the place where most do."""
    return max((_common(said, sides) for sides in known.values()), default=0.0)


def _common(said: _Sides, known: _Sides) -> float:
    words = [word for one, other in zip(said, known, strict=True) for word in one & other]
    return sum(_SLIGHT if word in _STOPWORDS else 1.0 for word in words)
