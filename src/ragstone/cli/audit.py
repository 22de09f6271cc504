"""`ragstone audit`: who changed what, and when."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ragstone import bootstrap
from ragstone.access.expiry import beginning_of
from ragstone.cli.administration import print_json, print_table, seconds_of
from ragstone.cli.arguments import JsonOption, run, settings
from ragstone.settings import Settings

if TYPE_CHECKING:
    from ragstone.storage.tenancy.audit import Line

_PAGE = 1000


def audit(
    tenant: Annotated[
        str | None,
        typer.Option("--tenant", "-t", help="Whose; without it, what became of tenants.", show_default=False),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Nothing older, such as 24h or 2027-01-01.", show_default="the beginning")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Lines at most.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """Show the audit log, the newest lines first."""
    beginning = beginning_of(since, datetime.now(UTC)) if since else None
    lines = run(_lines(settings(), tenant, beginning, limit))
    if as_json:
        print_json({"lines": [_as_json(line) for line in lines]})
        return
    print_table(
        ("at", "actor", "action", "subject", "detail", "request"),
        [
            (
                f"{line.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
                line.actor or "",
                line.action,
                line.subject,
                json.dumps(line.detail, ensure_ascii=False),
                line.request or "",
            )
            for line in lines
        ],
    )


async def _lines(given: Settings, tenant: str | None, since: datetime | None, limit: int) -> list[Line]:
    from ragstone.storage.tenancy.audit import audit_page

    async with bootstrap.open_house(given) as house:
        asker = bootstrap.operator() if tenant is None else await house.own_asker(tenant)
        lines: list[Line] = []
        while len(lines) < limit:
            after = lines[-1].public_id if lines else None
            page = await audit_page(
                house.databases, asker, since=since, after=after, limit=min(_PAGE, limit - len(lines))
            )
            lines += page.items
            if not page.has_more:
                break
        return lines


def _as_json(line: Line) -> dict[str, object]:
    return {
        "id": line.public_id,
        "at": seconds_of(line.at),
        "actor": line.actor,
        "request_id": line.request,
        "action": line.action,
        "subject": line.subject,
        "detail": dict(line.detail),
    }
