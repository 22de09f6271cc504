"""Until when a member has to have answered."""

from __future__ import annotations

import asyncio

from ragstone.models.faults import Fault
from ragstone.settings.models import Timeouts


class Deadlines:
    """Of one call, from now on; all times are on the event loop's clock."""

    def __init__(self, timeouts: Timeouts, seconds: float | None = None) -> None:
        """`seconds` is what the caller has left; it stands in for a longer total."""
        self._now = asyncio.get_running_loop().time
        self._timeouts = timeouts
        self._said = False
        now = self._now()
        self.total = now + (timeouts.total if seconds is None else min(timeouts.total, seconds))
        self.connect = min(now + timeouts.connect, self.total)
        self.until = min(now + timeouts.first_token, self.total)  # for what is waited for

    def said(self) -> None:
        """A token has come, and was taken: from now on the next one is waited for."""
        self._said = True
        self.until = min(self._now() + self._timeouts.between_tokens, self.total)

    @property
    def over(self) -> bool:
        """Whether what is waited for is late."""
        return self._now() >= self.until

    @property
    def connect_seconds(self) -> float:
        """What is left for a connection, more than 0."""
        return max(self.connect - self._now(), 1e-3)

    def fault(self) -> tuple[Fault, str]:
        """Which of them has passed, and that in words."""
        if self.until >= self.total:
            return Fault.TIMEOUT_TOTAL, "its answer was not over in time"
        if self._said:
            return Fault.TIMEOUT_BETWEEN, f"it fell silent for {self._timeouts.between_tokens:g} seconds"
        return Fault.TIMEOUT_FIRST, f"it said nothing within {self._timeouts.first_token:g} seconds"
