"""Visitors of a gate, on a clock that is moved by hand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from ragstone.api.door.gate import Gate
from ragstone.domain import Priority


class HandMovedLoop(asyncio.SelectorEventLoop):
    now = 0.0

    def time(self) -> float:
        return self.now

    def settle(self, hops: int = 8) -> None:
        for _ in range(hops):
            self.run_until_complete(asyncio.sleep(0))

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.settle()


@dataclass(eq=False)
class Visitor:
    """A request: it arrives, and runs until its end is set."""

    number: int
    priority: Priority
    gate: Gate
    loop: HandMovedLoop
    holds_on: bool = True  # to its turn: then giving up cancels the turn as well
    fate: str = "waiting"
    arrived: float = 0.0
    end: asyncio.Future[None] = field(init=False)
    task: asyncio.Task[None] = field(init=False)

    def __post_init__(self) -> None:
        self.arrived = self.loop.time()
        self.end = self.loop.create_future()
        self.task = self.loop.create_task(self._visit())

    async def _visit(self) -> None:
        try:
            with self.gate.place(self.priority) as turn:
                if not self.holds_on:
                    await asyncio.wait({turn})
                if not await turn:
                    self.fate = "refused"
                    return
                self.fate = "running"
                await self.end
            self.fate = "ended"
        except ZeroDivisionError:
            self.fate = "failed"
        except asyncio.CancelledError:
            self.fate = "cancelled"
