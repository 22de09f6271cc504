"""Probes."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from ragstone.api.answers.additions import Absent


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive", "started"]


class Check(BaseModel):
    """Whether something that the service needs answers."""

    ok: bool
    ms: Absent[float] = Field(default=None, description="Milliseconds until it answered.")
    error: Absent[str] = None


class Readiness(BaseModel):
    """Everything that the service needs, by name."""

    status: str
    checks: dict[str, Check]
