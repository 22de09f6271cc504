"""Who runs now, who waits, and who is sent away."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import takewhile
from typing import TypeAlias

from ragstone.domain import Priority

_LONGEST_RETRY = 30  # seconds; whoever comes back later has missed the end of the rush
_FIRST_GUESS = 1.0  # seconds that a request runs, until one has ended
_WEIGHT = 0.1  # of the latest request in the moving mean of what requests take

Turn: TypeAlias = asyncio.Future[bool]  # True: it has come; False: it never will


class Gate:
    """Lets some requests run at once and some wait: the better class first, within a class the earlier one.

    A quarter of the slots, at least one of two, stay free of all classes but the interactive one. When as many wait as
    may, a newcomer takes the place of the last one of the worst class, if that is worse than its own.
    """

    def __init__(self, slots: int, *, queue: int, patience: float) -> None:
        """Open the gate.

        Args:
            slots: Requests that run at once.
            queue: Requests that wait at most.
            patience: Seconds that each of them waits at most.
        """
        self.slots = slots
        self.refused = dict.fromkeys(Priority, 0)  # requests since the gate was opened
        self._queue = queue
        self._patience = patience
        self._reserve = max(1, slots // 4) if slots > 1 else 0
        self._running: dict[Turn, float] = {}  # with the time at which each began
        self._lines: dict[Priority, OrderedDict[Turn, asyncio.TimerHandle]] = {p: OrderedDict() for p in Priority}
        self._takes = _FIRST_GUESS  # seconds, of late, for a request to run

    @property
    def running(self) -> int:
        """Requests that run now."""
        return len(self._running)

    @property
    def waiting(self) -> Mapping[Priority, int]:
        """Requests that wait now."""
        return {priority: len(line) for priority, line in self._lines.items()}

    @contextmanager
    def place(self, priority: Priority) -> Iterator[Turn]:
        """Take a place, whose turn comes or is refused, at once or later; it can be left at any time."""
        turn: Turn = asyncio.get_running_loop().create_future()
        if self.running < self._limit(priority):
            self._admit(turn)
        elif self._has_room(priority):
            timer = turn.get_loop().call_later(self._patience, self._refuse, priority, turn)
            self._lines[priority][turn] = timer
        else:
            self._refuse(priority, turn)
        try:
            yield turn
        finally:
            self._leave(priority, turn)

    def retry_after(self, priority: Priority) -> int:
        """Seconds, from 1 to 30, until a newcomer of this class would have run behind those who wait now."""
        before = sum(len(line) for other, line in self._lines.items() if other <= priority)
        seconds = (before + 1) * self._takes / self._limit(priority)
        return min(_LONGEST_RETRY, max(1, math.ceil(seconds)))

    def _limit(self, priority: Priority) -> int:
        return self.slots if priority is Priority.INTERACTIVE else self.slots - self._reserve

    def _has_room(self, priority: Priority) -> bool:
        if sum(map(len, self._lines.values())) < self._queue:
            return True
        for worse in takewhile(lambda other: other > priority, reversed(Priority)):
            if self._lines[worse]:
                self._refuse(worse, next(reversed(self._lines[worse])))
                return True
        return False

    def _admit(self, turn: Turn) -> None:
        self._running[turn] = turn.get_loop().time()
        turn.set_result(True)

    def _refuse(self, priority: Priority, turn: Turn) -> None:
        self._forget(priority, turn)
        if not turn.done():  # it may have been cancelled in this very moment
            self.refused[priority] += 1
            turn.set_result(False)

    def _forget(self, priority: Priority, turn: Turn) -> None:
        timer = self._lines[priority].pop(turn, None)
        if timer:
            timer.cancel()

    def _leave(self, priority: Priority, turn: Turn) -> None:
        began = self._running.pop(turn, None)
        if began is None:
            self._forget(priority, turn)
            return
        self._takes += _WEIGHT * (turn.get_loop().time() - began - self._takes)
        for other, line in self._lines.items():  # the best class first
            while line and self.running < self._limit(other):
                following, timer = line.popitem(last=False)
                timer.cancel()
                if not following.done():
                    self._admit(following)
