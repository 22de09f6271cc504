"""A member that fails again and again is left alone for a while."""

from __future__ import annotations

from collections.abc import Callable

from ragstone.settings.models import Pool

_SHORTEST = 0.75  # of the time that it stays open: replicas shall not all probe at the same moment


class Breaker:
    """Closed, open until a time, or half-open: one request finds out.

    What a request says counts only in the phase in which it was sent: `begin` gives the phase, and the other methods
    take it. Otherwise the stragglers of an outage would speak against a member that has come back.
    """

    def __init__(self, pool: Pool, draw: Callable[[], float]) -> None:
        """Closed; `draw` returns numbers from 0 to 1."""
        self.pool = pool
        self._draw = draw
        self.phase = 0  # what was sent in another one says nothing about this one
        self._openings = 0  # without an answer in between
        self.failures = 0  # in a row
        self.until: float | None = None  # None: closed; else the time from which on one may ask
        self.probing = False  # that one is on its way
        self.reason: str | None = None  # of a member that is not set up as its server wants it

    def admits(self, now: float) -> bool:
        """Whether a request may be sent."""
        return self.until is None or (not self.probing and now >= self.until)

    def begin(self) -> int:
        """Send a request; only when `admits`. If the breaker is open, it is the one that finds out."""
        if self.until is not None:
            self.probing = True
            self.phase += 1
        return self.phase

    def alive(self, phase: int) -> None:
        """The server has answered something sensible, if only that it will not: it can be asked.

        The failures in a row stay, so that one that only begins its answers is left alone again at the next break.
        """
        if phase == self.phase and self.until is not None:
            self.until, self.probing, self.reason = None, False, None

    def succeeded(self, phase: int) -> None:
        """A request was answered to its end."""
        if phase == self.phase:
            self._close()

    def failed(self, phase: int, now: float) -> None:
        """A request was not answered."""
        if phase != self.phase:
            return
        self.failures += 1
        if self.probing or self.failures >= self.pool.failures_to_open:
            self._open(now)

    def misconfigured(self, phase: int, now: float, reason: str) -> None:
        """The server does not know the key or the model: no request can be answered."""
        if phase == self.phase:
            self.failures += 1
            self._open(now)
            self.reason = reason

    def called_off(self, phase: int) -> None:
        """The one that was to find out was called off: the next one may."""
        if phase == self.phase:
            self.probing = False

    def renewed(self) -> None:
        """What its server did not like was changed: what was sent before says nothing any more."""
        self.phase += 1
        self._close()

    def _close(self) -> None:
        self.failures = self._openings = 0
        self.until, self.probing, self.reason = None, False, None

    def _open(self, now: float) -> None:
        seconds = min(self.pool.open_seconds * 2.0 ** min(self._openings, 30), self.pool.open_seconds_most)
        self.until = now + seconds * (_SHORTEST + (1 - _SHORTEST) * self._draw())
        self.probing, self.reason = False, None
        self._openings += 1
        self.phase += 1
