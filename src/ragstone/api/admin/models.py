"""`/admin/models`: the members of the pool of models, as they are in the process that answers."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from ragstone.api.door.identity import Overseeing
from ragstone.bootstrap import House
from ragstone.models.pool.state import MemberState, State
from ragstone.settings.models import Kind

router = APIRouter(prefix="/admin/models", tags=["administration"])


class Member(BaseModel):
    """A model server that answers, embeds, reranks or classifies."""

    object: Literal["pool.member"] = "pool.member"
    name: str
    kind: Kind
    model: str | None = Field(description="The server's name for it; null: the only one that it has.")
    group: int = Field(description="Members of the lowest group are asked first.")
    weight: float = Field(description="Share of the requests inside the group.")
    state: State = Field(description="Whether it is asked.")
    until: int | None = Field(description="Until when it is not, in seconds since 1970.")
    in_flight: int = Field(description="Requests that are not over.")
    window: int | None = Field(description="How many may wait for their first token; null: as many as come.")
    requests: int = Field(description="Attempts, since the process started or the member was changed.")
    answered: int = Field(description="Of these.")
    failures: dict[str, int] = Field(description="Of these, by what went wrong.")
    last_error: str | None
    first_token_p50_ms: float | None = Field(description="Milliseconds until the first token, of the last answers.")

    @classmethod
    def of(cls, member: MemberState) -> Member:
        """In the shape of the answer."""
        median = member.first_token_p50
        return cls(
            name=member.name,
            kind=member.kind,
            model=member.model,
            group=member.group,
            weight=member.weight,
            state=member.state,
            until=None if member.until is None else int(member.until),
            in_flight=member.in_flight,
            window=member.window,
            requests=member.requests,
            answered=member.answered,
            failures=dict(member.failures),
            last_error=member.last_error,
            first_token_p50_ms=None if median is None else round(median * 1000, 1),
        )


class Members(BaseModel):
    """All members."""

    object: Literal["list"] = "list"
    data: list[Member]
    trouble: str | None = Field(description="Why the present version of the models file is not in use; null: it is.")


@router.get("")
async def list_members(request: Request, _: Overseeing) -> Members:
    """List the members of the pool of models. Each replica knows its own state of them."""
    house: House = request.app.state.house
    return Members(data=[Member.of(member) for member in house.pool.state()], trouble=house.pool.trouble)
