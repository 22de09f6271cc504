"""What the commands of administrators have in common: for whom they act, and how they show what they found."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from ragstone.storage.pages import Excerpt, Page

T = TypeVar("T")

TenantOption = Annotated[str, typer.Option("--tenant", "-t", help="Whose.")]
_PAGE = 500
_WIDEST = 10_000  # characters


async def every(page: Callable[[Excerpt], Awaitable[Page[T]]], name_of: Callable[[T], str]) -> list[T]:
    """All rows of a list that comes in pages, the oldest first."""
    from ragstone.storage.pages import Excerpt

    found: list[T] = []
    excerpt = Excerpt(limit=_PAGE, newest_first=False)
    while True:
        some = await page(excerpt)
        found += some.items
        if not some.has_more:
            return found
        excerpt = replace(excerpt, after=name_of(some.items[-1]))


def seconds_of(time: datetime | None) -> int | None:
    """Whole seconds since 1970, as scripts get them; None for never."""
    return None if time is None else int(time.timestamp())


def shown(time: datetime | None) -> str:
    """A time for people, in UTC; empty for never."""
    return "" if time is None else f"{time.astimezone(UTC):%Y-%m-%d %H:%M}"


def print_json(value: object) -> None:
    """One line on standard output."""
    print(json.dumps(value))  # noqa: T201


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Rows for people; wider than the terminal rather than cut, since ids are copied from them."""
    table = Table(*header, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console(width=_WIDEST, highlight=False).print(table)
