"""`ragstone keys`: what opens the service."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ragstone import bootstrap
from ragstone.access.expiry import end_of, span_of
from ragstone.access.grants import KeyRights, checked_name
from ragstone.access.keys import new_key
from ragstone.access.limits import summary
from ragstone.cli import limits
from ragstone.cli.administration import TenantOption, every, print_json, print_table, seconds_of, shown
from ragstone.cli.arguments import JsonOption, notes, run, settings
from ragstone.domain import LIMITS, Priority, Scope, SpendingLimits, Standing
from ragstone.errors import InvalidRequestError
from ragstone.settings import Settings

if TYPE_CHECKING:
    from ragstone.storage.tenancy.keys import StoredKey

app = typer.Typer(no_args_is_help=True, help="Make, list, limit, revoke and rotate API keys.")

KeyArgument = Annotated[str, typer.Argument(metavar="ID", help="Of the key: key_...", show_default=False)]


@app.command()
@limits.with_limits
def create(  # noqa: PLR0913, PLR0917  each is an option
    tenant: TenantOption = bootstrap.TENANT,
    user: Annotated[str | None, typer.Option(help="Whom it acts for; without it the tenant itself.")] = None,
    scopes: Annotated[
        str, typer.Option(help="What it may do: read, write, admin, impersonate, operator, with commas between.")
    ] = "read,write",
    expires: Annotated[
        str | None, typer.Option(help="When it ends, such as 90d or 2027-01-01.", show_default="never")
    ] = None,
    name: Annotated[str, typer.Option(help="To tell keys apart.", show_default=False)] = "",
    priority: Annotated[
        str, typer.Option(help="The best class that its requests may claim: interactive, batch or evaluation.")
    ] = "interactive",
    most: SpendingLimits = limits.UNLIMITED,
    as_json: JsonOption = False,
) -> None:
    """Make a key, which is shown now and never again."""
    rights = KeyRights(
        scopes=_scopes(scopes),
        name=checked_name(name, "key") if name else "",
        user=user,
        priority=_priority(priority),
        limits=most,
        expires_at=end_of(expires, datetime.now(UTC)) if expires else None,
    )
    _print_new(run(_create(settings(), tenant, rights)), tenant, as_json=as_json)


@app.command("list")
def list_(tenant: TenantOption = bootstrap.TENANT, as_json: JsonOption = False) -> None:
    """List the keys of a tenant, also those that open nothing any more."""
    found, now = run(_list(settings(), tenant)), datetime.now(UTC)
    if as_json:
        print_json({"keys": [_as_json(key, now) for key in found]})
        return
    print_table(
        ("id", "name", "user", "scopes", "ends with", "state", "expires", "last used", "limits"),
        [
            (
                key.public_id,
                key.rights.name,
                key.rights.user or "",
                ",".join(sorted(key.rights.scopes)),
                f"…{key.hint}",
                key.state(now),
                shown(key.rights.expires_at),
                shown(key.last_used_at),
                summary(key.rights.limits),
            )
            for key in found
        ],
    )


@app.command("limits")
@limits.with_limits
def limits_(
    key: KeyArgument,
    tenant: TenantOption = bootstrap.TENANT,
    most: SpendingLimits = limits.UNLIMITED,
    lift: limits.Lifted = None,
    as_json: JsonOption = False,
) -> None:
    """Show the limits of a key with how much of each is used; change those that are named, the others stay."""
    standings = run(_limit(settings(), tenant, key, limits.changes_of(most, lift)))
    limits.print_limits(key, standings, as_json=as_json)


@app.command()
def revoke(key: KeyArgument, tenant: TenantOption = bootstrap.TENANT) -> None:
    """Let a key open nothing from the next request on."""
    run(_revoke(settings(), tenant, key))
    notes.print(f"{key} is revoked.", markup=False)


@app.command()
def rotate(
    key: KeyArgument,
    tenant: TenantOption = bootstrap.TENANT,
    overlap: Annotated[str, typer.Option(help="How long the former key still opens, such as 24h or 7d.")] = "24h",
    as_json: JsonOption = False,
) -> None:
    """Make a key with the rights of another one, which ends when the overlap does."""
    _print_new(run(_rotate(settings(), tenant, key, overlap)), tenant, as_json=as_json)


async def _create(given: Settings, tenant: str, rights: KeyRights) -> tuple[str, str, KeyRights]:
    from ragstone.storage.tenancy.keys import add_key

    async with bootstrap.open_house(given) as house:
        key = new_key()
        return key.text, await add_key(house.database, await house.own_asker(tenant), key, rights), rights


async def _list(given: Settings, tenant: str) -> list[StoredKey]:
    from ragstone.storage.tenancy.keys import list_keys

    async with bootstrap.open_house(given) as house:
        asker = await house.own_asker(tenant)
        return await every(lambda excerpt: list_keys(house.database, asker, excerpt), lambda key: key.public_id)


async def _limit(given: Settings, tenant: str, key: str, changes: Mapping[str, float | None]) -> tuple[Standing, ...]:
    from ragstone.storage.tenancy.keys import key_standings, limit_key

    async with bootstrap.open_house(given) as house:
        asker = await house.own_asker(tenant)
        if changes:
            await limit_key(house.database, asker, key, changes)
        return await key_standings(house.database, asker, key)


async def _revoke(given: Settings, tenant: str, key: str) -> None:
    from ragstone.storage.tenancy.keys import revoke_key

    async with bootstrap.open_house(given) as house:
        await revoke_key(house.database, await house.own_asker(tenant), key)


async def _rotate(given: Settings, tenant: str, former: str, overlap: str) -> tuple[str, str, KeyRights]:
    from ragstone.storage.tenancy.keys import rotate_key

    span = span_of(overlap)
    async with bootstrap.open_house(given) as house:
        public_id, key, rights = await rotate_key(house.database, await house.own_asker(tenant), former, span)
        return key.text, public_id, rights


def _scopes(text: str) -> frozenset[Scope]:
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in list(Scope)]
    if unknown:
        raise InvalidRequestError(
            f"There is no scope {unknown[0]!r}", remedy=f"Write some of {', '.join(Scope)}, with commas between"
        )
    return frozenset(map(Scope, names))


def _priority(text: str) -> Priority:
    if text.upper() not in Priority.__members__:
        raise InvalidRequestError(f"There is no priority {text!r}", remedy="Write interactive, batch or evaluation")
    return Priority[text.upper()]


def _print_new(made: tuple[str, str, KeyRights], tenant: str, *, as_json: bool) -> None:
    key, public_id, rights = made
    if as_json:
        scopes, expires_at = sorted(rights.scopes), seconds_of(rights.expires_at)
        print_json({"key": key, "id": public_id, "tenant": tenant, "scopes": scopes, "expires_at": expires_at})
        return
    print(key)  # noqa: T201
    notes.print(f"The key {public_id} is shown only now; only its hash is stored.")


def _as_json(key: StoredKey, now: datetime) -> dict[str, object]:
    rights = key.rights
    return {
        "id": key.public_id,
        "name": rights.name,
        "user": rights.user,
        "scopes": sorted(rights.scopes),
        "hint": key.hint,
        "state": key.state(now),
        "priority": rights.priority.name.lower(),
        **{name: rights.limits.given.get(name) for name in LIMITS},
        "created_at": seconds_of(key.created_at),
        "expires_at": seconds_of(rights.expires_at),
        "revoked_at": seconds_of(key.revoked_at),
        "last_used_at": seconds_of(key.last_used_at),
    }
