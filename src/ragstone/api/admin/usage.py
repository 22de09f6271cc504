"""`/admin/usage`: what was spent, day by day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from ragstone.api.door.identity import Administering, May
from ragstone.bootstrap import House
from ragstone.domain import Scope, Spent
from ragstone.storage.tenancy.spending import KEPT_DAYS, spent_by_tenants, spent_with_keys

router = APIRouter(prefix="/admin", tags=["administration"])

_DAYS = 30  # that are shown unless others are asked for

Since = Annotated[date | None, Query(description=f"Nothing from before this day; none: the last {_DAYS} days.")]


class _Amounts(BaseModel):
    day: date = Field(description="Of UTC.")
    requests: int
    answers: int = Field(description="For which a language model was asked.")
    input_tokens: int
    output_tokens: int
    cost: float = Field(description="In the currency of the models' prices.")


class KeySpending(_Amounts):
    """What was spent with one key on one day."""

    key: str | None = Field(description="Its id; null: no key was shown, as with tokens and on the command line.")
    name: str = Field(description="Of the key.")

    @classmethod
    def of(cls, spent: Spent) -> KeySpending:
        """In the shape of the answer."""
        return cls.model_validate({"key": spent.subject or None, "name": spent.label, **_amounts(spent)})


class TenantSpending(_Amounts):
    """What one tenant spent on one day."""

    tenant: str

    @classmethod
    def of(cls, spent: Spent) -> TenantSpending:
        """In the shape of the answer."""
        return cls.model_validate({"tenant": spent.subject, **_amounts(spent)})


class Usage(BaseModel):
    """What a tenant has spent, the oldest day first."""

    object: Literal["usage"] = "usage"
    since: date
    data: list[KeySpending]


class InstallationUsage(BaseModel):
    """What all tenants have spent, the oldest day first."""

    object: Literal["installation.usage"] = "installation.usage"
    since: date
    data: list[TenantSpending]


@router.get("/usage")
async def read_usage(request: Request, session: Administering, since: Since = None) -> Usage:
    """Read what the caller's tenant has spent, by day and key."""
    house: House = request.app.state.house
    day = _beginning(since)
    return Usage(
        since=day, data=[KeySpending.of(spent) for spent in await spent_with_keys(house.database, session.asker, day)]
    )


@router.get("/installation/usage", dependencies=[Depends(May(Scope.OPERATOR))])
async def read_installation_usage(request: Request, since: Since = None) -> InstallationUsage:
    """Read what the tenants of the installation have spent, by day."""
    house: House = request.app.state.house
    day = _beginning(since)
    return InstallationUsage(
        since=day, data=[TenantSpending.of(spent) for spent in await spent_by_tenants(house.database, day)]
    )


def _amounts(spent: Spent) -> dict[str, object]:
    return {name: getattr(spent, name) for name in _Amounts.model_fields}


def _beginning(since: date | None) -> date:
    today = datetime.now(UTC).date()
    return max(since or today - timedelta(days=_DAYS), today - timedelta(days=KEPT_DAYS))
