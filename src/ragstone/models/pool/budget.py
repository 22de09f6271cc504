"""How much may still be asked for: of one member in a minute, and again after failures."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from ragstone.settings.models import Pool

MINUTE = 60.0  # seconds
_EARNING = 1000  # requests whose share of further attempts can be saved up


@dataclass(slots=True)
class Spent:
    """What was reserved at a time; it becomes what was needed when that is known."""

    at: float
    amount: int


class PerMinute:
    """A limit for any sixty seconds, kept exactly: what is older no longer counts."""

    def __init__(self, limit: int | None) -> None:
        """None: there is no limit."""
        self._spent: deque[Spent] = deque()
        self._sum = 0
        self.limit(limit)

    def limit(self, limit: int | None) -> None:
        """Keep to another limit from now on; None: there is none. What was spent under the former one counts."""
        self._limit: float = math.inf if limit is None else limit

    def reserve(self, amount: int, now: float) -> Spent | None:
        """Count what is about to be spent; None where nothing limits it. Whether it fits is asked before."""
        if self._limit == math.inf:
            return None
        spent = Spent(now, amount)
        self._spent.append(spent)
        self._sum += amount
        return spent

    def settle(self, spent: Spent | None, amount: int, now: float) -> None:
        """Count what was spent instead of what was reserved."""
        if spent is None or now - spent.at >= MINUTE:
            return
        self._forget(now)
        self._sum += amount - spent.amount
        spent.amount = amount

    def when(self, amount: int, now: float) -> float:
        """From when on so much fits: `now`, or later. What is above the limit by itself fits into an empty minute."""
        if self._limit == math.inf:
            return now
        self._forget(now)
        over = self._sum + min(amount, self._limit) - self._limit
        if over <= 0:
            return now
        for spent in self._spent:
            over -= spent.amount
            if over <= 0:
                return spent.at + MINUTE
        return now  # nothing is left to be forgotten

    def _forget(self, now: float) -> None:
        while self._spent and now - self._spent[0].at >= MINUTE:
            self._sum -= self._spent.popleft().amount


class RetryBudget:
    """Further attempts that all requests of the process may make together: a share of the requests, and a reserve.

    It bounds what an outage adds to the load: with everything down, n requests make at most
    n + ratio * n + reserve calls (the retry budget of Finagle and of Google's SRE book, chapter 22).
    """

    def __init__(self, pool: Pool) -> None:
        """The reserve is there at the start."""
        self._ratio = pool.retry_ratio
        self._most = pool.retry_reserve + pool.retry_ratio * _EARNING
        self._left = pool.retry_reserve

    def earn(self) -> None:
        """A request has come."""
        self._left = min(self._left + self._ratio, self._most)

    def pay(self) -> bool:
        """Whether one more attempt may be made; it is counted then."""
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def refund(self) -> None:
        """The attempt that was paid for was not made."""
        self._left = min(self._left + 1, self._most)
