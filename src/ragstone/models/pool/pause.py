"""A member is not asked for as long as its server wants it."""

from __future__ import annotations

UNSAID = 1.0  # seconds, for a server that does not say how long; doubled each time that it asks again
_SHORTEST = 0.05  # seconds, whatever the server says; doubled as well: a wrong "now" is not taken at its word for long
_LONGEST = 3600.0  # seconds, whatever the server says: an outage of our own making must end by itself
_DOUBLINGS = 20


class Pause:
    """Until when; a later end replaces an earlier one, never the other way round."""

    def __init__(self) -> None:
        """None was asked for."""
        self.until = 0.0
        self._in_a_row = 0
        self._asked_at = 0.0

    def ask(self, sent: float, told: float | None, now: float) -> None:
        """The answer to a request of the time `sent` asks for `told` seconds; None: it does not say for how long."""
        # Requests that were on their way together are one reason to ask, not several.
        if self._in_a_row == 0 or sent >= self._asked_at:
            self._in_a_row = min(self._in_a_row + 1, _DOUBLINGS)
            self._asked_at = now
        doubled = 2.0 ** (self._in_a_row - 1)
        seconds = UNSAID * doubled if told is None else max(told, _SHORTEST * doubled)
        self.until = max(self.until, now + min(seconds, _LONGEST))

    def answered(self) -> None:
        """A request was answered: the next pause is the first again."""
        self._in_a_row = 0
