"""`ragstone status`, `ragstone doctor` and `ragstone config`."""

from __future__ import annotations

import dataclasses
import json

import typer
from rich.table import Table
from rich.text import Text

from ragstone import bootstrap
from ragstone.cli import checks
from ragstone.cli.arguments import JsonOption, out, run, settings
from ragstone.settings import Settings, load, mask_password


def status(as_json: JsonOption = False) -> None:
    """Show where the data lies and what the stores hold."""
    found = run(_status(settings()))
    if as_json:
        print(json.dumps(found, default=str))  # noqa: T201
        return
    out.print(Text(f"home      {found['home']}"))
    out.print(Text(f"database  {found['database']}"))
    stores, queue = found["stores"], found["queue"]
    assert isinstance(stores, list)
    assert isinstance(queue, list)
    for depth in queue:
        out.print(Text(f"queue     {depth['tasks']:,} {depth['state']} of {depth['tenant']}"))
    if not stores:
        out.print("No store yet: ragstone ingest PATH makes one.")
        return
    table = Table("store", "documents", "chunks", "model", "id", box=None, pad_edge=False, header_style="bold")
    for store in stores:
        row = (store["name"], f"{store['documents']:,}", f"{store['chunks']:,}", store["model"], store["public_id"])
        table.add_row(*map(Text, row))
    out.print(table)


async def _status(given: Settings) -> dict[str, object]:
    from ragstone.storage.catalog.stores import list_stores
    from ragstone.storage.migrate import check_server
    from ragstone.storage.work.queue import depths

    async with bootstrap.open_house(given) as house:
        queue = await depths(house.database)
        async with house.database.connection() as connection:
            server = await check_server(connection)
        session = await house.own_session()
        stores = await list_stores(session.database, session.asker)
    where = mask_password(given.database_url) if given.database_url else "embedded"
    return {
        "home": str(given.home),
        "database": f"{where}, {server}",
        "queue": [dataclasses.asdict(depth) for depth in queue],
        "stores": [dataclasses.asdict(store) for store in stores],
    }


def doctor(as_json: JsonOption = False) -> None:
    """Check what Ragstone needs; each failing check says its remedy. The exit status is 1 if one fails."""
    found = run(checks.all_checks(settings()))
    if as_json:
        print(json.dumps([dataclasses.asdict(check) for check in found]))  # noqa: T201
    else:
        for check in found:
            mark = Text("ok    ", "green") if check.ok else Text("FAILS ", "bold red")
            out.print(Text.assemble(mark, (f"{check.name:<15}", "bold"), check.found))
            if check.remedy:
                out.print(Text.assemble(" " * 21, ("try ", "bold"), check.remedy))
    if not all(check.ok for check in found):
        raise typer.Exit(1)


def config(as_json: JsonOption = False) -> None:
    """List every setting with its value, where that came from, and what it is for."""
    origins = load().origins
    if as_json:
        print(json.dumps([dataclasses.asdict(origin) for origin in origins]))  # noqa: T201
        return
    table = Table("setting", "value", "from", "for", box=None, pad_edge=False, header_style="bold")
    for origin in origins:
        table.add_row(*map(Text, (origin.variable, origin.value, origin.source, origin.description)))
    out.print(table)
