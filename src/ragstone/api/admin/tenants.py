"""`/admin/tenants`: the tenants of the installation, for its operators."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from ragstone.access.grants import LONGEST_NAME, checked_name
from ragstone.api.admin.limits import LimitFields, LimitList
from ragstone.api.admin.times import seconds_of
from ragstone.api.door.identity import May, Operating
from ragstone.api.pages import Listed, ListPage, Paged, list_page
from ragstone.bootstrap import House
from ragstone.domain import Asker, Scope
from ragstone.storage.tenancy.deletion import Deletion, Remover
from ragstone.storage.tenancy.moving import GRACE, Mover, create
from ragstone.storage.tenancy.placement import placement_of
from ragstone.storage.tenancy.tenants import TenantRecord, limit_tenant, tenant_page, tenant_record, tenant_standings

router = APIRouter(prefix="/admin/tenants", tags=["administration"])

_OPERATING = [Depends(May(Scope.OPERATOR))]
_PLACEMENTS = "shared, own-partition or own-database:NAME"


class CreateTenant(BaseModel):
    """The body that makes a tenant."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=LONGEST_NAME)
    placement: str = Field(default="shared", description=f"{_PLACEMENTS}.")


class MoveTenant(BaseModel):
    """The body that moves a tenant."""

    model_config = ConfigDict(extra="forbid")

    to: str = Field(description=f"{_PLACEMENTS}; main is the same as shared.")
    grace_seconds: float = Field(
        default=GRACE, ge=0, le=3600, description="For requests that began before the switch to finish in."
    )


class Tenant(Listed):
    """A tenant."""

    object: Literal["tenant"] = "tenant"
    name: str
    placement: str = Field(description=f"{_PLACEMENTS}.")
    state: Literal["ready", "moving", "clearing", "deleting"] = Field(
        description="Of a move or a deletion that was interrupted: asked for again, it is completed."
    )
    moving_to: str | None
    created_at: int

    @classmethod
    def of(cls, record: TenantRecord) -> Tenant:
        """In the shape of the answer."""
        return cls.model_validate(
            {
                "id": record.tenant.name,
                "name": record.tenant.name,
                "placement": record.placement.text,
                "state": record.state,
                "moving_to": record.moving_to.placement.text if record.moving_to else None,
                "created_at": seconds_of(record.created_at),
            }
        )


class RemovedTenant(BaseModel):
    """The proof that nothing is left of a tenant."""

    object: Literal["tenant.deleted"] = "tenant.deleted"
    id: str
    deleted: bool
    removed: dict[str, int] = Field(description="Rows by table.")
    left: dict[str, int] = Field(description="Rows by table that were found afterwards.")
    objects_removed: int = Field(description="Files in a bucket.")
    objects_left: int

    @classmethod
    def of(cls, report: Deletion) -> RemovedTenant:
        """In the shape of the answer."""
        return cls(
            id=report.tenant,
            deleted=report.complete,
            removed=dict(report.removed),
            left=dict(report.left),
            objects_removed=report.objects_removed,
            objects_left=report.objects_left,
        )


@router.post("")
async def create_tenant(body: CreateTenant, request: Request, session: Operating) -> Tenant:
    """Make a tenant."""
    house: House = request.app.state.house
    name, placement = checked_name(body.name, "tenant", "name"), placement_of(body.placement, "placement")
    return Tenant.of(await create(house.databases, session.asker, name, placement))


@router.get("", dependencies=_OPERATING)
async def list_all_tenants(excerpt: Paged, request: Request) -> ListPage[Tenant]:
    """List the tenants of the installation."""
    house: House = request.app.state.house
    return list_page(await tenant_page(house.database, excerpt), Tenant.of)


# Before the next one, whose names have slashes.
@router.get("/{name:path}/limits")
async def get_tenant_limits(name: str, request: Request, session: Operating) -> LimitList:
    """List the limits of a tenant with how much of each is used."""
    house: House = request.app.state.house
    return await _limits(house, session.asker, name)


@router.post("/{name:path}/limits")
async def set_tenant_limits(name: str, body: LimitFields, request: Request, session: Operating) -> LimitList:
    """Change limits of a tenant from the next request on: null lifts one, those that are left out stay."""
    house: House = request.app.state.house
    await limit_tenant(house.database, session.asker, name, body.changes())
    return await _limits(house, session.asker, name)


@router.get("/{name:path}", dependencies=_OPERATING)
async def retrieve_tenant(name: str, request: Request) -> Tenant:
    """Describe a tenant."""
    house: House = request.app.state.house
    return Tenant.of(await tenant_record(house.database, name))


@router.post("/{name:path}/move")
async def move_tenant(name: str, body: MoveTenant, request: Request, session: Operating) -> Tenant:
    """Move a tenant while it is used. The answer comes when nothing is left in its former place."""
    house: House = request.app.state.house
    mover = Mover(house.databases, session.asker, body.grace_seconds)
    return Tenant.of(await mover.move(name, placement_of(body.to, "to")))


@router.delete("/{name:path}")
async def delete_tenant(name: str, request: Request, session: Operating) -> RemovedTenant:
    """Delete a tenant with all that it has; its keys open nothing from the beginning on."""
    house: House = request.app.state.house
    return RemovedTenant.of(await Remover(house.databases, session.asker, house.bucket).delete(name))


async def _limits(house: House, operator: Asker, name: str) -> LimitList:
    tenant = (await tenant_record(house.database, name)).tenant
    return LimitList.of(name, await tenant_standings(house.database, replace(operator, tenant=tenant)))
