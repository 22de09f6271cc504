"""A member is not asked for as long as its server wants it."""

from __future__ import annotations

from ragstone.settings.models import Pool

UNSAID = 1.0  # seconds, for a server that does not say how long; doubled each time that it asks again
_SHORTEST = 0.05  # seconds, whatever the server says; doubled as well: a wrong "now" is not taken at its word for long
_LONGEST = 3600.0  # seconds, if the server says so: an outage of our own making must end by itself
_DOUBLINGS = 20


class Pause:
    """Until when; a later end replaces an earlier one, never the other way round."""

    def __init__(self, pool: Pool) -> None:
        """None was asked for."""
        self.pool = pool
        self.until = 0.0
        self._in_a_row = 0
        self._asked_at = 0.0

    def ask(self, sent: float, told: float | None, now: float) -> None:
        """The answer to a request of the time `sent` asks for `told` seconds; None: it does not say for how long."""
        # Requests that were on their way together are one reason to ask, not several.
        if self._in_a_row == 0 or sent >= self._asked_at:
            self._in_a_row = min(self._in_a_row + 1, _DOUBLINGS)
            self._asked_at = now
        shortest = UNSAID if told is None else _SHORTEST
        doubled = min(shortest * 2.0 ** (self._in_a_row - 1), self.pool.open_seconds_most)
        self.until = max(self.until, now + max(doubled, min(told or 0.0, _LONGEST)))

    def answered(self) -> None:
        """A request was answered: the next pause is the first again."""
        self._in_a_row = 0
