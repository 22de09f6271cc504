"""Two transactions that meet in the middle, at a place that the test chooses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncCursor

from ragstone.storage.database import Database
from ragstone.storage.embedded import EmbeddedServer
from ragstone.storage.statements import statement


class Halting(Database):
    """A database that halts whoever has executed this statement, once, until `go` is set."""

    def __init__(self, dsn: str, behind: bytes) -> None:
        super().__init__(lambda: dsn, size=2)
        self.halted, self.go = asyncio.Event(), asyncio.Event()
        self.pid = 0  # of the server's process that is halted
        outer = self

        class Cursor(AsyncCursor[Any]):
            async def execute(self, query: Any, *arguments: Any, **more: Any) -> Cursor:
                await super().execute(query, *arguments, **more)
                if query == behind and not outer.halted.is_set():
                    outer.pid = self.connection.info.backend_pid
                    outer.halted.set()
                    await outer.go.wait()
                return self

        self._cursor = Cursor

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        async with super().connection() as connection:
            connection.cursor_factory = self._cursor
            yield connection


@dataclass(frozen=True)
class Crossing:
    """Where two meet."""

    server: EmbeddedServer
    name: str  # of the database
    admin: psycopg.Connection

    async def errors(
        self, behind: str, first: Callable[[Database], Awaitable[object]], second: Awaitable[object]
    ) -> list[BaseException]:
        """Halt the first behind a statement, such as `stores.stay`, and let the second go as far as it can; then let
        both go on. Returns what they raise.
        """
        file, name = behind.split(".")
        database = Halting(self.server.dsn(self.name), statement(file, name))
        await database.open()
        try:
            one, halted = asyncio.ensure_future(first(database)), asyncio.ensure_future(database.halted.wait())
            await asyncio.wait((one, halted), return_when=asyncio.FIRST_COMPLETED)
            assert database.halted.is_set(), f"it does not come by {behind}"
            other = asyncio.ensure_future(second)
            while not other.done() and not self.blocks(database.pid):
                await asyncio.sleep(0.01)
            database.go.set()
            outcomes = await asyncio.gather(one, other, return_exceptions=True)
        finally:
            await database.close()
        return [outcome for outcome in outcomes if isinstance(outcome, BaseException)]

    def blocks(self, pid: int) -> bool:
        """Whether somebody waits for a lock that this process of the server has."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"
        row = self.admin.execute(query, (pid,)).fetchone()
        return row is not None and row[0] > 0
