"""`/admin/users`: the users of the caller's tenant and their groups."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from ragstone.access.grants import check_groups, checked_name
from ragstone.api.admin.times import seconds_of
from ragstone.api.door.identity import Administering
from ragstone.api.pages import Listed, ListPage, Paged, list_page
from ragstone.bootstrap import House
from ragstone.storage.tenancy.people import User as StoredUser
from ragstone.storage.tenancy.people import list_users, put_user, remove_user

router = APIRouter(prefix="/admin/users", tags=["administration"])


class PutUser(BaseModel):
    """The body that makes or changes a user."""

    model_config = ConfigDict(extra="forbid")

    groups: Annotated[list[str], Field(max_length=1000)] = []


class User(Listed):
    """Somebody whom documents and keys can name."""

    object: Literal["user"] = "user"
    name: str
    groups: list[str]
    created_at: int

    @classmethod
    def of(cls, stored: StoredUser) -> User:
        """In the shape of the answer."""
        made = seconds_of(stored.created_at)
        assert made is not None
        return cls(id=stored.name, name=stored.name, groups=list(stored.groups), created_at=made)


class RemovedUser(BaseModel):
    """What is left of a user."""

    object: Literal["user.deleted"] = "user.deleted"
    id: str
    deleted: bool = True


@router.put("/{name:path}")
async def set_user(name: str, body: PutUser, request: Request, session: Administering) -> User:
    """Make a user, or change the groups of one: afterwards they are exactly these."""
    house: House = request.app.state.house
    name = checked_name(name, "user", "name")
    groups = [checked_name(group, "group", "groups") for group in body.groups]
    check_groups(session.asker, name, groups)
    return User.of(await put_user(house.database, session.asker, name, groups))


@router.get("")
async def list_all_users(excerpt: Paged, request: Request, session: Administering) -> ListPage[User]:
    """List the users of the tenant. Who comes with a token of an issuer needs not be among them."""
    house: House = request.app.state.house
    return list_page(await list_users(house.database, session.asker, excerpt), User.of)


@router.delete("/{name:path}")
async def delete_user(name: str, request: Request, session: Administering) -> RemovedUser:
    """Remove a user with all of their keys. Documents that name them stay as they are."""
    house: House = request.app.state.house
    await remove_user(house.database, session.asker, name)
    return RemovedUser(id=name)
