"""Which member is asked next: nothing but a choice."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Bar(StrEnum):
    """Why a member is not asked now."""

    TRIED = "tried"  # it has failed this request
    UNFIT = "unfit"  # the request is too large for it, or wants what it cannot do
    OPEN = "open"  # its breaker is, or one request finds out right now whether it works again
    COOLING = "cooling"
    SPENT = "spent"  # its requests or tokens for this minute
    BUSY = "busy"  # with as many requests as its limit allows
    STARTING = "starting"  # as many wait for their first token as its window admits


_TIMED = {Bar.COOLING, Bar.SPENT}


@dataclass(frozen=True, slots=True)
class Standing:
    """A member as the choice sees it."""

    group: int
    weight: float
    in_flight: int
    bar: Bar | None = None  # None: it may be asked
    until: float = 0.0  # when that may change by itself

    @property
    def load(self) -> float:
        """Requests for each unit of weight."""
        return self.in_flight / self.weight


@dataclass(frozen=True, slots=True)
class Choice:
    """Whom to ask; if nobody, what to wait for."""

    index: int | None
    full: bool = False  # a request that ends, or gets its first token, may make room
    at: float = math.inf  # when a pause or a spent minute will be over


def choose(standings: Sequence[Standing], draw: Callable[[], float], *, over: bool = False) -> Choice:
    """One of those that may be asked in the lowest group that has one; `draw` returns numbers from 0 to 1.

    A group that is merely full passes its requests on to the next one: an answer now from the second choice is worth
    more than one later from the first. Only when no group has room there is something to wait for.

    Args:
        standings: In any order.
        draw: Random numbers.
        over: Whether the windows count as open: they hold back, but a request is not given up for them.
    """
    free = [index for index, one in enumerate(standings) if one.bar is None or (over and one.bar is Bar.STARTING)]
    if not free:
        return _later(standings)
    if len(free) > 1:
        lowest = min(standings[index].group for index in free)
        free = [index for index in free if standings[index].group == lowest]
    return Choice(_pick(free, standings, draw))


def _pick(free: list[int], standings: Sequence[Standing], draw: Callable[[], float]) -> int:
    """The power of two choices: of two that are drawn by weight the one that has less to do (Mitzenmacher 2001)."""
    if len(free) == 1:
        return free[0]
    first = _draw(free, standings, draw)
    others = [index for index in free if index != first]
    second = _draw(others, standings, draw)
    return second if standings[second].load < standings[first].load else first


def _draw(among: list[int], standings: Sequence[Standing], draw: Callable[[], float]) -> int:
    if len(among) == 1:
        return among[0]
    point = draw() * sum(standings[index].weight for index in among)
    for index in among:
        point -= standings[index].weight
        if point < 0:
            return index
    return among[-1]


def _later(standings: Sequence[Standing]) -> Choice:
    full = any(one.bar in {Bar.BUSY, Bar.STARTING} for one in standings)
    return Choice(None, full, min((one.until for one in standings if one.bar in _TIMED), default=math.inf))
