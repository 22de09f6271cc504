"""What this service tells beyond the published fields."""

from __future__ import annotations

from typing import Literal, TypeAlias, TypeVar

from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

T = TypeVar("T")
Absent: TypeAlias = T | SkipJsonSchema[None]  # a field that is left out instead of being null


class Stretch(BaseModel):
    """A part of the answer's text."""

    start_index: int
    end_index: int = Field(description="Offset behind its last character.")


class Grounding(BaseModel):
    """How well the documents support the answer."""

    status: Literal["supported", "partial", "insufficient_evidence"]
    unsupported: Absent[list[Stretch]] = Field(default=None, description="What no passage supports.")


class StrategyTaken(BaseModel):
    """How a language model came to the answer."""

    name: str
    calls: int = Field(description="Requests that reached a model, those that failed included.")


class Additions(BaseModel):
    """What this service tells beyond the published fields, as far as it is known."""

    grounding: Absent[Grounding] = None
    timings_ms: Absent[dict[str, float]] = Field(default=None, description="By hop.")
    answered_by: Absent[str] = Field(default=None, description="The model that wrote it, by its name in the pool.")
    cache: Absent[Literal["hit", "semantic_hit", "miss", "bypass"]] = Field(
        default=None, description="Whether it was there already."
    )
    strategy: Absent[StrategyTaken] = Field(default=None, description="Absent where no language model was asked.")
    prompt_template: Absent[str] = Field(default=None, description="Its name, version and hash.")
    cost: Absent[float] = Field(default=None, description="In the currency of the models' prices.")
    degraded: Absent[Literal[True]] = Field(default=None, description="A fallback answered, or the answer stops.")
    degraded_reason: Absent[str] = None
