"""Limits as they are given and shown, and those of the caller's tenant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from ragstone.access.limits import LEAST_COST, MOST_COST, MOST_REQUESTS, MOST_REQUESTS_PER_MINUTE, MOST_TOKENS
from ragstone.api.admin.times import seconds_of
from ragstone.api.door.identity import Administering
from ragstone.bootstrap import House
from ragstone.domain import SpendingLimits, Standing
from ragstone.storage.tenancy.tenants import tenant_standings

router = APIRouter(prefix="/admin/limits", tags=["administration"])

_Requests = Annotated[int | None, Field(ge=1, le=MOST_REQUESTS)]
_Tokens = Annotated[int | None, Field(ge=1, le=MOST_TOKENS, description="That language models read and write.")]
_Cost = Annotated[
    float | None,
    Field(
        ge=LEAST_COST,
        le=MOST_COST,
        allow_inf_nan=False,
        description="Of these tokens, in the currency of the models' prices.",
    ),
]


class LimitFields(BaseModel):
    """What may be spent in each minute, day and month of UTC; null: any amount."""

    model_config = ConfigDict(extra="forbid")  # a misspelt limit that is ignored would be found too late

    requests_per_minute: Annotated[int | None, Field(ge=1, le=MOST_REQUESTS_PER_MINUTE)] = None
    requests_per_day: _Requests = None
    requests_per_month: _Requests = None
    tokens_per_minute: _Tokens = None
    tokens_per_day: _Tokens = None
    tokens_per_month: _Tokens = None
    cost_per_minute: _Cost = None
    cost_per_day: _Cost = None
    cost_per_month: _Cost = None

    def limits(self) -> SpendingLimits:
        """All of them."""
        return SpendingLimits.of({name: getattr(self, name) for name in LimitFields.model_fields})

    def changes(self) -> dict[str, float | None]:
        """Those that were named."""
        return {name: getattr(self, name) for name in LimitFields.model_fields if name in self.model_fields_set}


class LimitStanding(BaseModel):
    """How much of a limit is used."""

    name: str = Field(description="Such as tokens_per_day.")
    most: int | float
    used: int | float = Field(description="With what answers that are being made may take at most.")
    renews_at: int = Field(description="When nothing of it is used any more: seconds since 1970.")


class LimitList(BaseModel):
    """The limits of a key or a tenant."""

    object: Literal["limits"] = "limits"
    id: str = Field(description="Of the key, or name of the tenant.")
    data: list[LimitStanding]

    @classmethod
    def of(cls, name: str, standings: Sequence[Standing]) -> LimitList:
        """In the shape of the answer."""
        return cls.model_validate(
            {
                "id": name,
                "data": [
                    {"name": one.name, "most": one.most, "used": one.used, "renews_at": seconds_of(one.renews_at)}
                    for one in standings
                ],
            }
        )


@router.get("")
async def list_own_limits(request: Request, session: Administering) -> LimitList:
    """List the limits of the caller's tenant as a whole with how much of each is used."""
    house: House = request.app.state.house
    return LimitList.of(session.asker.tenant.name, await tenant_standings(house.database, session.asker))
