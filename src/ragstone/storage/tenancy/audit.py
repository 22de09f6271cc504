"""The audit log: who changed what, and when. It is written by the database itself, and only read here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from ragstone.domain import Asker, Tenant
from ragstone.errors import InvalidRequestError, PermissionDeniedError
from ragstone.storage.database import scope
from ragstone.storage.databases import Databases
from ragstone.storage.pages import Page
from ragstone.storage.statements import statement

INSTALLATION = Tenant(0, "", 0)  # whose log tells what became of tenants

_PREFIX = "audit_"
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_END = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Line:
    """One change."""

    public_id: str  # audit_...; later ones have a higher number
    at: datetime
    actor: str | None  # such as user:alice; None: somebody with a login to the database
    request: str | None  # its x-request-id; None: it was no request
    action: str  # such as document.changed
    subject: str  # id or name of what was changed
    detail: Mapping[str, Any]  # what is new; of what is gone, what it was


async def audit_page(
    databases: Databases, asker: Asker, *, since: datetime | None = None, after: str | None = None, limit: int = 20
) -> Page[Line]:
    """The newest lines of the asker's tenant, or those before the line `after`.

    Raises:
        PermissionDeniedError: The asker does not read everything.
        InvalidRequestError: `after` is no line's id.
    """
    if not asker.reads_all:
        raise PermissionDeniedError(
            "Only who reads every document reads the audit log",
            why="it tells of documents whoever may read them",
            remedy="Use a key with the scope admin that has no user",
        )
    parameters = {**scope(asker), "below": _number(after), "since": since or _BEGINNING, "limit": limit + 1}
    async with databases.main.registry(asker) as connection:
        lines = await _lines(connection, parameters)
    if asker.tenant.database is not None:
        async with databases.of(asker.tenant).transaction(asker) as connection:
            lines += await _lines(connection, parameters)
        lines.sort(key=lambda line: _number(line.public_id), reverse=True)
    return Page(tuple(lines[:limit]), has_more=len(lines) > limit)


async def _lines(connection: AsyncConnection, parameters: Mapping[str, object]) -> list[Line]:
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(statement("audit", "page"), parameters)
    return [Line(f"{_PREFIX}{row.pop('id')}", **row) for row in await cursor.fetchall()]


def _number(public_id: str | None) -> int:
    if public_id is None:
        return _END
    digits = public_id.removeprefix(_PREFIX)
    if not (public_id.startswith(_PREFIX) and digits.isascii() and digits.isdigit() and int(digits) <= _END):
        raise InvalidRequestError(
            f"There is no line {public_id} to go on from",
            remedy="Take after from a page, or leave it out",
            param="after",
        )
    return int(digits)
