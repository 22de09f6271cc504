"""What clients send, as far as this release reads it; unknown fields are ignored, as OpenAI's clients expect."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, Field, model_validator

from ragstone.domain import AttributeValue, Comparison, Compound, Condition, Filter, Fusion

Scalar: TypeAlias = bool | float | str


class Body(BaseModel):
    """A body in which null is as good as nothing."""

    @model_validator(mode="before")
    @classmethod
    def _null_is_nothing(cls, body: object) -> object:
        return {name: value for name, value in body.items() if value is not None} if isinstance(body, dict) else body


class ComparisonFilter(BaseModel):
    """`key type value`."""

    type: Comparison
    key: str = Field(min_length=1)
    value: Scalar | list[Scalar]


class CompoundFilter(BaseModel):
    """All or any of several filters."""

    type: Literal["and", "or"]
    filters: list[AnyFilter]


AnyFilter: TypeAlias = Annotated[ComparisonFilter | CompoundFilter, Field(union_mode="left_to_right")]


class HybridWeights(BaseModel):
    """How much each half of the hybrid search counts."""

    embedding_weight: float = Field(ge=0)
    text_weight: float = Field(ge=0)


class RankingOptions(BaseModel):
    """How hits are ranked; there is one ranker, whichever of OpenAI's names it is called by."""

    ranker: Literal["none", "auto", "default-2024-11-15"] = "auto"
    score_threshold: float = Field(default=0.0, ge=0, le=1)
    hybrid_search: HybridWeights | None = None


class SearchRequest(BaseModel):
    """The body of a search; queries are searched as they are written, also where a rewrite is asked for."""

    query: str | Annotated[list[str], Field(min_length=1, max_length=16)]
    max_num_results: int = Field(default=10, ge=1, le=50)
    rewrite_query: bool = False
    filters: AnyFilter | None = None
    ranking_options: RankingOptions | None = None


def domain_filter(part: ComparisonFilter | CompoundFilter | None) -> Filter | None:
    """The filter in the house's own terms."""
    return None if part is None else _filter(part)


def fusion(options: RankingOptions | None) -> Fusion | None:
    """The weights that were asked for; None for the default."""
    weights = options.hybrid_search if options else None
    return Fusion(weights.embedding_weight, weights.text_weight) if weights else None


def _filter(part: ComparisonFilter | CompoundFilter) -> Filter:
    if isinstance(part, CompoundFilter):
        return Compound(every=part.type == "and", filters=tuple(map(_filter, part.filters)))
    value: AttributeValue | tuple[AttributeValue, ...] = (
        tuple(part.value) if isinstance(part.value, list) else part.value
    )
    return Condition(part.type, part.key, value)
