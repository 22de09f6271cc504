"""The members that are on the roster now, and what all requests share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable

from ragstone.models.pool.budget import RetryBudget
from ragstone.models.pool.member import Member
from ragstone.models.pool.outside import Outside
from ragstone.models.pool.roster import Roster
from ragstone.models.pool.waiters import Waiters
from ragstone.settings.models import Kind, Models, Pool


class Crew:
    """Keeps the members in step with the roster: those whose servers are the same keep all that is known of them."""

    def __init__(self, roster: Roster, outside: Outside) -> None:
        """Nothing is connected yet."""
        self.outside = outside
        self.waiters = Waiters()
        self.retries = RetryBudget(Pool())
        self._roster = roster
        self._models: Models | None = None
        self._members: dict[str, Member] = {}
        self._of: dict[Kind, tuple[Member, ...]] = {}
        self._gone: list[Member] = []
        self._burials: set[asyncio.Task[None]] = set()
        self._following = threading.Lock()

    @property
    def pool(self) -> Pool:
        """The rules as they are now."""
        return self._now().pool

    def members(self, kind: Kind) -> tuple[Member, ...]:
        """Those that do this now."""
        self._now()
        return self._of[kind]

    def all(self) -> tuple[Member, ...]:
        """Those of every kind."""
        self._now()
        return tuple(self._members.values())

    async def bury(self) -> None:
        """End the connections of members that are gone, once their last request is over."""
        if not self._gone:
            return
        gone = [member for member in self._gone if not member.in_flight]
        self._gone = [member for member in self._gone if member.in_flight]
        # It happens to be this request that does it, and it may be called off meanwhile.
        burial = asyncio.create_task(_end(gone))
        self._burials.add(burial)
        burial.add_done_callback(self._burials.discard)
        await asyncio.shield(burial)

    async def close(self) -> None:
        """End all connections."""
        members, self._gone = [*self._members.values(), *self._gone], []
        here = asyncio.get_running_loop()
        await asyncio.gather(_end(members), *(one for one in self._burials if one.get_loop() is here))

    def _now(self) -> Models:
        current = self._roster.current()
        if current is not self._models:
            # A worker asks for its embedder in a thread.
            with self._following:
                self._follow(current)
        return current

    def _follow(self, current: Models) -> None:
        if current is self._models:
            return
        pool, members = current.pool, {}
        if self._models is None or _retrying(self._models.pool) != _retrying(pool):
            self.retries = RetryBudget(pool)
        for model in current.models:
            known = self._members.get(model.name)
            is_same = known is not None and known.follow(model, pool)
            members[model.name] = known if known is not None and is_same else Member(model, pool, self.outside)
        self._gone += [member for name, member in self._members.items() if members.get(name) is not member]
        self._members = members
        self._of = {kind: tuple(one for one in members.values() if one.model.kind is kind) for kind in Kind}
        self._models = current


def _retrying(pool: Pool) -> tuple[float, float]:
    return pool.retry_ratio, pool.retry_reserve


async def _end(members: Iterable[Member]) -> None:
    for member in members:
        await member.connections.close()
