"""What each hop takes."""

from __future__ import annotations

import time
from collections.abc import Mapping


class Clock:
    """Milliseconds from hop to hop."""

    def __init__(self) -> None:
        """Begin now."""
        self._start = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """A hop ends here."""
        now = time.perf_counter()
        self._laps[name] = (now - self._last) * 1000.0
        self._last = now

    def split(self, hops: Mapping[str, float]) -> None:
        """Several hops end here that were timed elsewhere."""
        self._laps.update(hops)
        self._last = time.perf_counter()

    def laps(self) -> Mapping[str, float]:
        """Every hop in its order, and the `total`."""
        return {**self._laps, "total": (self._last - self._start) * 1000.0}
