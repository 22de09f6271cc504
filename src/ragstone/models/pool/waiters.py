"""Requests that wait for room at a member, first come, first served."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import TypeAlias

from ragstone.domain import Usage
from ragstone.models.pool.attempt import Attempt

_LOOKED_AT = 16  # requests of those that want the same, whenever room has become free: they may differ in size

# A request to a member if one has room, and whether it is worth waiting if none has.
Take: TypeAlias = Callable[[], tuple[Attempt | None, bool]]
Wanted: TypeAlias = frozenset[str]  # the names of the members that can do what is asked


class Waiters:
    """Whoever makes room gives it to the one that has waited longest and can use it."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._takes: dict[asyncio.Future[Attempt | None], tuple[Wanted, Take]] = {}

    def freed(self) -> None:
        """There may be room now, or never again."""
        if not self._takes:
            return
        in_vain: Counter[Wanted] = Counter()
        for future, (wanted, take) in tuple(self._takes.items()):
            if in_vain[wanted] == _LOOKED_AT:
                continue
            attempt, is_worth_waiting = take()
            if attempt is None and is_worth_waiting:
                in_vain[wanted] += 1
            else:
                del self._takes[future]
                future.set_result(attempt)

    async def wait(self, wanted: Wanted, take: Take, seconds: float) -> Attempt | None:
        """What `take` returns, tried whenever there may be room; None: time is over, or waiting is not worth it.

        Those who want the same members stand in each other's way; they keep nobody from room at other ones. Who stops
        waiting when the room was just given to it gives it back.
        """
        future: asyncio.Future[Attempt | None] = asyncio.get_running_loop().create_future()
        self._takes[future] = wanted, take
        try:
            await asyncio.wait([future], timeout=seconds)
        except asyncio.CancelledError:
            attempt = future.result() if future.done() else None
            if attempt is not None:
                attempt.call_off(Usage(), attempt.begun)  # without a call: nothing was sent
            raise
        finally:
            self._takes.pop(future, None)
        return future.result() if future.done() else None
