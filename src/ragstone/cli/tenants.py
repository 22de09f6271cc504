"""`ragstone tenants`: who has documents here, and where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from ragstone import bootstrap
from ragstone.access.grants import checked_name
from ragstone.cli import limits
from ragstone.cli.administration import print_json, print_table, seconds_of, shown
from ragstone.cli.arguments import JsonOption, notes, out, run, settings
from ragstone.domain import SpendingLimits, Standing
from ragstone.errors import DatabaseError
from ragstone.settings import Settings

if TYPE_CHECKING:
    from ragstone.storage.tenancy.deletion import Deletion
    from ragstone.storage.tenancy.tenants import TenantRecord

app = typer.Typer(no_args_is_help=True, help="Create, list, show, limit, move and delete tenants.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Of the tenant.", show_default=False)]
_GRACE = 30.0  # seconds; as in storage.moving, which is not loaded to say so


@app.command()
def create(
    name: NameArgument,
    placement: Annotated[str, typer.Option(help="shared, own-partition or own-database:NAME.")] = "shared",
    as_json: JsonOption = False,
) -> None:
    """Make a tenant."""
    record = run(_create(settings(), checked_name(name, "tenant"), placement))
    if as_json:
        print_json(_as_json(record))
    else:
        notes.print(f"The tenant {name} is there. Its first key: ragstone keys create --tenant {name}", markup=False)


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List all tenants."""
    found = run(_list(settings()))
    if as_json:
        print_json({"tenants": [_as_json(record) for record in found]})
        return
    print_table(("name", "placement", "state", "since"), [_row(record) for record in found])


@app.command()
def show(name: NameArgument, as_json: JsonOption = False) -> None:
    """Show where a tenant lies, what is under way, and how many rows it has by table."""
    record, rows = run(_show(settings(), name))
    if as_json:
        print_json({**_as_json(record), "rows": rows})
        return
    print_table(("name", "placement", "state", "since"), [_row(record)])
    out.print()
    print_table(("table", "rows"), [(table, f"{count:,}") for table, count in rows.items() if count])


@app.command("limits")
@limits.with_limits
def limits_(
    name: NameArgument,
    most: SpendingLimits = limits.UNLIMITED,
    lift: limits.Lifted = None,
    as_json: JsonOption = False,
) -> None:
    """Show the limits of a tenant with how much of each is used; change those that are named, the others stay."""
    limits.print_limits(name, run(_limit(settings(), name, limits.changes_of(most, lift))), as_json=as_json)


@app.command()
def move(
    name: NameArgument,
    to: Annotated[str, typer.Option(help="own-partition, own-database:NAME, or shared, which is also called main.")],
    grace: Annotated[
        float, typer.Option(min=0, help="Seconds for requests that began before the switch to finish in.")
    ] = _GRACE,
    as_json: JsonOption = False,
) -> None:
    """Move a tenant to another place while it is used. Interrupted, the same again completes it."""
    record = run(_move(settings(), name, to, grace))
    if as_json:
        print_json(_as_json(record))
    else:
        notes.print(f"The tenant {name} is in its place: {record.placement.text}.", markup=False)


@app.command()
def delete(
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete a tenant with all that it has, and prove it. Interrupted, the same again completes it."""
    if not yes:
        typer.confirm(f"Delete the tenant {name} with all of its documents, users and keys?", abort=True, err=True)
    report = run(_delete(settings(), name))
    if as_json:
        print_json(
            {
                "tenant": report.tenant,
                "removed": dict(report.removed),
                "left": dict(report.left),
                "objects": {"removed": report.objects_removed, "left": report.objects_left},
            }
        )
    else:
        _print_proof(report)
    if not report.complete:
        raise DatabaseError(f"Something of the tenant {name} is left", remedy="Run the same again")


async def _create(given: Settings, name: str, placement: str) -> TenantRecord:
    from ragstone.storage.tenancy.moving import create as make
    from ragstone.storage.tenancy.placement import placement_of

    wanted = placement_of(placement)
    async with bootstrap.open_house(given) as house:
        return await make(house.databases, bootstrap.operator(), name, wanted)


async def _list(given: Settings) -> list[TenantRecord]:
    from ragstone.storage.tenancy.tenants import list_tenants

    async with bootstrap.open_house(given) as house:
        return await list_tenants(house.database)


async def _show(given: Settings, name: str) -> tuple[TenantRecord, dict[str, int]]:
    from ragstone.storage.tenancy.deletion import rows_of
    from ragstone.storage.tenancy.tenants import tenant_record

    async with bootstrap.open_house(given) as house:
        record = await tenant_record(house.database, name)
        return record, await rows_of(house.databases, bootstrap.everything(record.tenant, bootstrap.COMMAND_LINE))


async def _limit(given: Settings, name: str, changes: Mapping[str, float | None]) -> tuple[Standing, ...]:
    from ragstone.storage.tenancy.tenants import limit_tenant, tenant_record, tenant_standings

    async with bootstrap.open_house(given) as house:
        if changes:
            await limit_tenant(house.database, bootstrap.operator(), name, changes)
        record = await tenant_record(house.database, name)
        return await tenant_standings(house.database, bootstrap.everything(record.tenant, bootstrap.COMMAND_LINE))


async def _move(given: Settings, name: str, to: str, grace: float) -> TenantRecord:
    from ragstone.storage.tenancy.moving import Mover
    from ragstone.storage.tenancy.placement import placement_of

    wanted = placement_of(to)
    async with bootstrap.open_house(given) as house:
        return await Mover(house.databases, bootstrap.operator(), grace).move(name, wanted)


async def _delete(given: Settings, name: str) -> Deletion:
    from ragstone.storage.tenancy.deletion import Remover

    async with bootstrap.open_house(given) as house:
        return await Remover(house.databases, bootstrap.operator(), house.bucket).delete(name)


def _row(record: TenantRecord) -> tuple[str, str, str, str]:
    state = f"moving to {record.moving_to.placement.text}" if record.moving_to else record.state
    return record.tenant.name, record.placement.text, state, shown(record.created_at)


def _as_json(record: TenantRecord) -> dict[str, object]:
    return {
        "name": record.tenant.name,
        "placement": record.placement.text,
        "state": record.state,
        "moving_to": record.moving_to.placement.text if record.moving_to else None,
        "created_at": seconds_of(record.created_at),
    }


def _print_proof(report: Deletion) -> None:
    print_table(
        ("table", "removed", "left"),
        [(table, f"{report.removed.get(table, 0):,}", f"{left:,}") for table, left in sorted(report.left.items())],
    )
    out.print(f"Files in a bucket: {report.objects_removed:,} removed, {report.objects_left:,} left.")
