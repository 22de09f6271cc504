"""How long a member has said nothing to anybody."""

from __future__ import annotations


class Silence:
    """Seconds that askers have waited in vain, one after the other or together, since the member last said something.

    An asker who has less time than a first token may take says nothing about the member; many of them do.
    """

    def __init__(self) -> None:
        """Nobody has waited."""
        self.seconds = 0.0
        self._counted_until = 0.0

    def waited(self, since: float, now: float) -> None:
        """An asker has left without a word; what several wait at the same time counts once."""
        self.seconds += max(now - max(since, self._counted_until), 0.0)
        self._counted_until = now

    def broken(self, now: float) -> None:
        """It has said something, if only that it will not answer."""
        self.seconds = 0.0
        self._counted_until = now
