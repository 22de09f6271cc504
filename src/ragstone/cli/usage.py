"""`ragstone usage`: what was spent, day by day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from ragstone import bootstrap
from ragstone.access.expiry import beginning_of
from ragstone.cli.administration import print_json, print_table
from ragstone.cli.arguments import JsonOption, run, settings
from ragstone.domain import Spent
from ragstone.settings import Settings

_AMOUNTS: tuple[tuple[str, Callable[[Spent], float]], ...] = (
    ("requests", lambda spent: spent.requests),
    ("answers", lambda spent: spent.answers),
    ("input tokens", lambda spent: spent.input_tokens),
    ("output tokens", lambda spent: spent.output_tokens),
    ("cost", lambda spent: spent.cost),
)


def usage(
    tenant: Annotated[
        str | None,
        typer.Option("--tenant", "-t", help="Whose, by key; without it, of all tenants.", show_default=False),
    ] = None,
    since: Annotated[str, typer.Option(help="Nothing from before this day, such as 7d or 2027-01-01.")] = "30d",
    as_json: JsonOption = False,
) -> None:
    """Show requests, and what language models read, wrote and cost for answers, by day and key or tenant."""
    beginning = beginning_of(since, datetime.now(UTC))
    found = run(_spent(settings(), tenant, beginning))
    if as_json:
        print_json({"since": f"{beginning:%Y-%m-%d}", "usage": [_as_json(spent, tenant) for spent in found]})
        return
    whose = ("tenant",) if tenant is None else ("key", "name")
    rows = [(f"{spent.day}", *_whose(spent, tenant), *_row(spent)) for spent in found]
    total = ("total", *("" for _ in whose), *_sums(found))
    print_table(("day", *whose, *(name for name, _ in _AMOUNTS)), [*rows, total])


async def _spent(given: Settings, tenant: str | None, since: datetime) -> list[Spent]:
    from ragstone.storage.tenancy.spending import spent_by_tenants, spent_with_keys

    async with bootstrap.open_house(given) as house:
        if tenant is None:
            return await spent_by_tenants(house.database, since.date())
        return await spent_with_keys(house.database, await house.own_asker(tenant), since.date())


def _whose(spent: Spent, tenant: str | None) -> tuple[str, ...]:
    return (spent.subject,) if tenant is None else (spent.subject or "none", spent.label)


def _row(spent: Spent) -> tuple[str, ...]:
    return tuple(_shown(amount(spent)) for _, amount in _AMOUNTS)


def _sums(found: Sequence[Spent]) -> tuple[str, ...]:
    return tuple(_shown(sum(amount(spent) for spent in found)) for _, amount in _AMOUNTS)


def _shown(amount: float) -> str:
    return f"{amount:,}" if isinstance(amount, int) else f"{amount:,.4f}"


def _as_json(spent: Spent, tenant: str | None) -> dict[str, object]:
    whose: dict[str, object] = {"tenant": spent.subject}
    if tenant is not None:
        whose = {"key": spent.subject or None, "name": spent.label}
    amounts = {name.replace(" ", "_"): amount(spent) for name, amount in _AMOUNTS}
    return {"day": f"{spent.day}", **whose, **amounts}
