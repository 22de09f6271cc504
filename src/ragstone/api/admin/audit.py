"""`/admin/audit`: who changed what, and when."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, Field

from ragstone.api.admin.times import seconds_of
from ragstone.api.door.identity import Administering, Operating
from ragstone.api.pages import After, Listed, ListPage, list_page
from ragstone.bootstrap import House
from ragstone.storage.pages import Page
from ragstone.storage.tenancy.audit import INSTALLATION, Line, audit_page

router = APIRouter(prefix="/admin", tags=["administration"])

Limit = Annotated[int, Query(ge=1, le=1000)]
Since = Annotated[AwareDatetime | None, Query(description="Nothing from before this time, with its time zone.")]


class AuditLine(Listed):
    """One change."""

    object: Literal["audit.line"] = "audit.line"
    at: int = Field(description="Seconds since 1970.")
    actor: str | None = Field(description="Such as user:alice, service, admin, worker or command line.")
    request_id: str | None = Field(description="The x-request-id of the request, if it was one.")
    action: str = Field(description="What became of which kind of thing, such as document.changed.")
    subject: str = Field(description="Its id or name.")
    detail: dict[str, Any] = Field(description="What is new; of what is gone, what it was.")

    @classmethod
    def of(cls, line: Line) -> AuditLine:
        """In the shape of the answer."""
        at = seconds_of(line.at)
        assert at is not None
        return cls(
            id=line.public_id,
            at=at,
            actor=line.actor,
            request_id=line.request,
            action=line.action,
            subject=line.subject,
            detail=dict(line.detail),
        )


@router.get("/audit")
async def read_audit(
    request: Request, session: Administering, since: Since = None, after: After = None, limit: Limit = 20
) -> ListPage[AuditLine]:
    """Read the tenant's audit log, the newest lines first. Only who reads every document may."""
    house: House = request.app.state.house
    return _page(await audit_page(house.databases, session.asker, since=since, after=after, limit=limit))


@router.get("/installation/audit")
async def read_installation_audit(
    request: Request, session: Operating, since: Since = None, after: After = None, limit: Limit = 20
) -> ListPage[AuditLine]:
    """Read what became of tenants, the newest lines first."""
    house: House = request.app.state.house
    asker = replace(session.asker, tenant=INSTALLATION, reads_all=True)
    return _page(await audit_page(house.databases, asker, since=since, after=after, limit=limit))


def _page(page: Page[Line]) -> ListPage[AuditLine]:
    return list_page(page, AuditLine.of)
