"""`/admin/keys`: make, list, limit, revoke and rotate the keys of the caller's tenant."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from ragstone.access.expiry import end_of, span_of
from ragstone.access.grants import LONGEST_NAME, KeyRights
from ragstone.access.keys import new_key
from ragstone.api.admin.limits import LimitFields, LimitList
from ragstone.api.admin.times import seconds_of
from ragstone.api.door.identity import Administering
from ragstone.api.pages import Listed, ListPage, Paged, list_page
from ragstone.bootstrap import House
from ragstone.domain import Priority, Scope
from ragstone.storage.tenancy.keys import (
    StoredKey,
    add_key,
    key_standings,
    limit_key,
    list_keys,
    revoke_key,
    rotate_key,
)

router = APIRouter(prefix="/admin/keys", tags=["administration"])

PriorityName = Literal["interactive", "batch", "evaluation"]


class CreateKey(LimitFields):
    """The body that makes a key."""

    name: str = Field(default="", max_length=LONGEST_NAME, description="To tell keys apart.")
    user: str | None = Field(default=None, description="Whom it acts for; none: the tenant itself.")
    scopes: list[Scope] = Field(default=[Scope.READ, Scope.WRITE], min_length=1)
    expires: str | None = Field(default=None, description="When it ends, such as 90d or 2027-01-01; none: never.")
    priority: PriorityName = Field(default="interactive", description="The best class that its requests may claim.")

    def rights(self) -> KeyRights:
        """What the key may do."""
        return KeyRights(
            scopes=frozenset(self.scopes),
            name=self.name.strip(),
            user=self.user,
            priority=Priority[self.priority.upper()],
            limits=self.limits(),
            expires_at=end_of(self.expires, datetime.now(UTC), "expires") if self.expires else None,
        )


class RotateKey(BaseModel):
    """The body that rotates a key."""

    model_config = ConfigDict(extra="forbid")

    overlap: str = Field(default="24h", description="How long the former key still opens, such as 24h or 7d.")


class CreatedKey(BaseModel):
    """A key at the only time at which it is shown."""

    key: str
    id: str
    tenant: str
    scopes: list[Scope]
    expires_at: int | None = Field(description="Seconds since 1970.")


class Key(LimitFields, Listed):
    """A key as it is listed."""

    object: Literal["key"] = "key"
    name: str
    user: str | None
    scopes: list[Scope]
    hint: str = Field(description="Its last characters.")
    state: Literal["active", "expired", "revoked"]
    priority: PriorityName
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    last_used_at: int | None = Field(description="To the minute.")

    @classmethod
    def of(cls, stored: StoredKey) -> Key:
        """In the shape of the answer."""
        rights = stored.rights
        return cls.model_validate(
            {
                "id": stored.public_id,
                "name": rights.name,
                "user": rights.user,
                "scopes": sorted(rights.scopes),
                "hint": stored.hint,
                "state": stored.state(datetime.now(UTC)),
                "priority": rights.priority.name.lower(),
                **rights.limits.given,
                "created_at": seconds_of(stored.created_at),
                "expires_at": seconds_of(rights.expires_at),
                "revoked_at": seconds_of(stored.revoked_at),
                "last_used_at": seconds_of(stored.last_used_at),
            }
        )


class RevokedKey(BaseModel):
    """What is left of a key."""

    object: Literal["key.revoked"] = "key.revoked"
    id: str
    revoked: bool = True


@router.post("")
async def create_key(body: CreateKey, request: Request, response: Response, session: Administering) -> CreatedKey:
    """Make a key, which is shown in this answer and never again. It can do nothing that the caller cannot."""
    house: House = request.app.state.house
    key, rights = new_key(), body.rights()
    public_id = await add_key(house.database, session.asker, key, rights)
    return _shown_once(response, key.text, public_id, session.asker.tenant.name, rights)


@router.get("")
async def list_all_keys(excerpt: Paged, request: Request, session: Administering) -> ListPage[Key]:
    """List the keys of the tenant, also those that open nothing any more."""
    house: House = request.app.state.house
    return list_page(await list_keys(house.database, session.asker, excerpt), Key.of)


@router.get("/{key_id}/limits")
async def get_key_limits(key_id: str, request: Request, session: Administering) -> LimitList:
    """List the limits of a key with how much of each is used."""
    house: House = request.app.state.house
    return LimitList.of(key_id, await key_standings(house.database, session.asker, key_id))


@router.post("/{key_id}/limits")
async def set_key_limits(key_id: str, body: LimitFields, request: Request, session: Administering) -> LimitList:
    """Change limits of a key from the next request on: null lifts one, those that are left out stay."""
    house: House = request.app.state.house
    await limit_key(house.database, session.asker, key_id, body.changes())
    return LimitList.of(key_id, await key_standings(house.database, session.asker, key_id))


@router.delete("/{key_id}")
async def delete_key(key_id: str, request: Request, session: Administering) -> RevokedKey:
    """Revoke a key: it opens nothing from the next request on."""
    house: House = request.app.state.house
    await revoke_key(house.database, session.asker, key_id)
    return RevokedKey(id=key_id)


@router.post("/{key_id}/rotate")
async def rotate(
    key_id: str, request: Request, response: Response, session: Administering, body: RotateKey | None = None
) -> CreatedKey:
    """Make a key with the rights of another one, which ends when the overlap does."""
    house: House = request.app.state.house
    overlap = span_of((body or RotateKey()).overlap, "overlap")
    public_id, key, rights = await rotate_key(house.database, session.asker, key_id, overlap)
    return _shown_once(response, key.text, public_id, session.asker.tenant.name, rights)


def _shown_once(response: Response, text: str, public_id: str, tenant: str, rights: KeyRights) -> CreatedKey:
    # Neither a proxy nor the memory of repeated requests may keep it.
    response.headers["cache-control"] = "no-store"
    return CreatedKey(
        key=text, id=public_id, tenant=tenant, scopes=sorted(rights.scopes), expires_at=seconds_of(rights.expires_at)
    )
