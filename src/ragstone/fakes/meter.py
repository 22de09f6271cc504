"""A meter in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ragstone.access.limits import Reached
from ragstone.domain import SpendingLimits, Standing, Usage

_WINDOWS = ("minute", "day", "month")


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(eq=False)
class Held:
    """A reservation of a `MemoryMeter`."""

    at: datetime
    amounts: Counter[str]
    settled: bool = False


@dataclass
class MemoryMeter:
    """The port `Meter` for one asker, for tests: limits on tokens and cost, and all that was spent."""

    limits: SpendingLimits = field(default_factory=SpendingLimits)
    clock: Callable[[], datetime] = _now
    spent: Usage = field(default_factory=Usage)  # of what was settled
    _used: Counter[tuple[str, datetime]] = field(default_factory=Counter)  # by limit and beginning of its window
    _open: Counter[tuple[str, datetime]] = field(default_factory=Counter)  # of that, reserved and not settled

    async def reserve(self, estimate: Usage) -> Held:
        """Count what is about to be spent at most.

        Raises:
            RateLimitedError: A limit would be passed.
        """
        now, wanted = self.clock(), _amounts(estimate)
        for name, most in self.limits.given.items():
            measure, _, window = name.partition("_per_")
            begins = _begin(window, now)
            used, more = self._used[name, begins] / _unit(measure), wanted[measure] / _unit(measure)
            if more and used + more > most:
                ends = _end(window, begins)
                standing = Standing(name, most, used, ends)
                held = self._open[name, begins] / _unit(measure)
                raise Reached("key", standing, (ends - now).total_seconds(), held).refusal(more)
        reservation = Held(now, wanted)
        self._open.update(_by_window(now, wanted))
        self._used.update(_by_window(now, wanted))
        return reservation

    async def settle(self, reservation: object, spent: Usage) -> None:
        """Count what was spent instead. A second time changes nothing."""
        assert isinstance(reservation, Held)
        if not reservation.settled:
            reservation.settled = True
            reserved = _by_window(reservation.at, reservation.amounts)
            self._open.subtract(reserved)
            self._used.subtract(reserved)
            self._used.update(_by_window(reservation.at, _amounts(spent)))
            self.spent += spent


def _amounts(usage: Usage) -> Counter[str]:
    """What counts, as whole numbers; money in millionths."""
    cost = round(usage.cost * _unit("cost"))
    return Counter(tokens=usage.input_tokens + usage.output_tokens, cost=cost)


def _by_window(at: datetime, amounts: Counter[str]) -> Counter[tuple[str, datetime]]:
    """The amounts by limit and beginning of its window."""
    return Counter(
        {
            (f"{measure}_per_{window}", _begin(window, at)): amount
            for measure, amount in amounts.items()
            for window in _WINDOWS
        }
    )


def _unit(measure: str) -> int:
    return 1_000_000 if measure == "cost" else 1


def _begin(window: str, time: datetime) -> datetime:
    minute = time.astimezone(UTC).replace(second=0, microsecond=0)
    return {
        "minute": minute,
        "day": minute.replace(hour=0, minute=0),
        "month": minute.replace(day=1, hour=0, minute=0),
    }[window]


def _end(window: str, begins: datetime) -> datetime:
    longest = {"minute": timedelta(minutes=1), "day": timedelta(days=1), "month": timedelta(days=31)}[window]
    return _begin(window, begins + longest)  # the 31st day behind the first of a month is in the next one
