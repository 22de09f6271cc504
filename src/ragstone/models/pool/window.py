"""How many requests may wait for their first token at one member: few until it has shown that it answers."""

from __future__ import annotations

FIRST = 4
LAST = 64  # beyond it a member has shown enough


class Window:
    """Slow start: each answer that begins lets one more wait, so that answers double what may wait with each round.

    A member that hangs or fails costs as many requests as are waiting at it, and a member that has just come back is
    asked by a few before it is asked by all.
    """

    def __init__(self) -> None:
        """A member of which nothing is known."""
        self.size: int | None = FIRST  # None: as many as come

    def admits(self, waiting: int) -> bool:
        """Whether one more may wait beside these."""
        return self.size is None or waiting < self.size

    def grow(self) -> None:
        """An answer has begun."""
        if self.size is not None:
            self.size = None if self.size >= LAST else self.size + 1

    def shrink(self, waiting: int) -> None:
        """A single request has failed, while so many were waiting, itself included: half of them may."""
        self.size = max(1, (waiting if self.size is None else self.size) // 2)

    def shut(self) -> None:
        """More than one in a row have failed, or the server has asked for a pause: one at a time."""
        self.size = 1
