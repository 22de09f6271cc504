"""`ragstone users`: who belongs to which groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ragstone import bootstrap
from ragstone.access.grants import checked_name
from ragstone.cli.administration import TenantOption, every, print_json, print_table, seconds_of, shown
from ragstone.cli.arguments import JsonOption, notes, run, settings
from ragstone.settings import Settings

if TYPE_CHECKING:
    from ragstone.storage.tenancy.people import User

app = typer.Typer(no_args_is_help=True, help="Set, list and remove users and their groups.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Of the user.", show_default=False)]


@app.command("set")
def set_(
    name: NameArgument,
    tenant: TenantOption = bootstrap.TENANT,
    groups: Annotated[str, typer.Option(help="With commas between; these and no others.", show_default=False)] = "",
    as_json: JsonOption = False,
) -> None:
    """Make a user, or change the groups of one."""
    wanted = [checked_name(group, "group") for group in groups.split(",") if group.strip()]
    user = run(_set(settings(), tenant, checked_name(name, "user"), wanted))
    if as_json:
        print_json(_as_json(user))
    else:
        notes.print(f"{user.name} is in {', '.join(user.groups) or 'no group'}.", markup=False)


@app.command("list")
def list_(tenant: TenantOption = bootstrap.TENANT, as_json: JsonOption = False) -> None:
    """List the users of a tenant. Who comes with a token of an issuer needs not be among them."""
    found = run(_list(settings(), tenant))
    if as_json:
        print_json({"users": [_as_json(user) for user in found]})
        return
    print_table(
        ("name", "groups", "since"), [(user.name, ", ".join(user.groups), shown(user.created_at)) for user in found]
    )


@app.command()
def remove(name: NameArgument, tenant: TenantOption = bootstrap.TENANT) -> None:
    """Remove a user with all of their keys. Documents that name them stay as they are."""
    run(_remove(settings(), tenant, name))
    notes.print(f"{name} is removed.", markup=False)


async def _set(given: Settings, tenant: str, name: str, groups: list[str]) -> User:
    from ragstone.storage.tenancy.people import put_user

    async with bootstrap.open_house(given) as house:
        return await put_user(house.database, await house.own_asker(tenant), name, groups)


async def _list(given: Settings, tenant: str) -> list[User]:
    from ragstone.storage.tenancy.people import list_users

    async with bootstrap.open_house(given) as house:
        asker = await house.own_asker(tenant)
        return await every(lambda excerpt: list_users(house.database, asker, excerpt), lambda user: user.name)


async def _remove(given: Settings, tenant: str, name: str) -> None:
    from ragstone.storage.tenancy.people import remove_user

    async with bootstrap.open_house(given) as house:
        await remove_user(house.database, await house.own_asker(tenant), name)


def _as_json(user: User) -> dict[str, object]:
    return {"name": user.name, "groups": list(user.groups), "created_at": seconds_of(user.created_at)}
