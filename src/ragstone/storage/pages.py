"""Pages of a list: each begins behind the row that the one before it ended with, also when that row is gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from ragstone.errors import InvalidRequestError
from ragstone.storage.statements import statement

T = TypeVar("T")

_LARGEST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Which part of a list is asked for; the oldest row has the smallest id."""

    limit: int = 20
    newest_first: bool = True
    after: str | None = None  # public id of a row: what follows it in this order
    before: str | None = None  # what precedes it; alone, the nearest of these


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows of a list, in the order that was asked for."""

    items: tuple[T, ...]
    has_more: bool  # in the direction that was asked for


@dataclass(frozen=True, slots=True)
class Listing:
    """Two statements: one of a file lists rows between two ids, the other finds the id behind a cursor."""

    file: str
    rows: str
    position: str
    positions: str | None = None  # the other's file, if it is another one

    async def page(
        self,
        connection: AsyncConnection,
        excerpt: Excerpt,
        parameters: Mapping[str, object],
        make: Callable[[Mapping[str, Any]], T],
    ) -> Page[T]:
        """The rows of an excerpt, each made by `make` out of its columns.

        Raises:
            InvalidRequestError: There never was a row with the id that a cursor names, or not for this asker.
        """
        after = await self._id(connection, parameters, "after", excerpt.after)
        before = await self._id(connection, parameters, "before", excerpt.before)
        above, below = (before, after) if excerpt.newest_first else (after, before)
        backwards = after is None and before is not None
        query = statement(self.file, self.rows)
        direction = b"DESC" if excerpt.newest_first != backwards else b"ASC"
        bounds = {"above": above or 0, "below": below or _LARGEST_ID, "limit": excerpt.limit + 1}
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(query.replace(b"{direction}", direction), {**parameters, **bounds})
        rows = await cursor.fetchall()
        shown = rows[: excerpt.limit]
        if backwards:
            shown.reverse()
        return Page(tuple(make(row) for row in shown), has_more=len(rows) > excerpt.limit)

    async def _id(
        self, connection: AsyncConnection, parameters: Mapping[str, object], name: str, cursor: str | None
    ) -> int | None:
        if cursor is None:
            return None
        found = None
        if "\0" not in cursor:
            query = statement(self.positions or self.file, self.position)
            row = await (await connection.execute(query, {**parameters, "cursor": cursor})).fetchone()
            found = row[0] if row else None
        if found is None:
            raise InvalidRequestError(
                f"There is nothing with the id {cursor} to go on from",
                remedy=f"Take {name} from an answer of this list, or leave it out",
                param=name,
            )
        return int(found)
