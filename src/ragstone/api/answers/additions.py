"""What this service tells beyond the published fields."""

from __future__ import annotations

from typing import Literal, TypeAlias, TypeVar

from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

T = TypeVar("T")
Absent: TypeAlias = T | SkipJsonSchema[None]  # a field that is left out instead of being null


class Grounding(BaseModel):
    """How well the documents support the answer."""

    status: Literal["supported", "partial", "insufficient_evidence"]


class Additions(BaseModel):
    """What this service tells beyond the published fields, as far as it is known."""

    grounding: Absent[Grounding] = None
    timings_ms: Absent[dict[str, float]] = Field(default=None, description="By hop.")
    degraded: Absent[Literal[True]] = Field(default=None, description="A fallback answered.")
    degraded_reason: Absent[str] = None
