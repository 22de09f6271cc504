"""What clients send, as far as this release reads it; unknown fields are ignored, as OpenAI's clients expect.

A client is told one mistake of a request, so a list is read up to its first (`fail_fast`): finding all takes seconds.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, Discriminator, Field, Tag, model_validator

from ragstone.domain import (
    AnswerOptions,
    AttributeValue,
    Comparison,
    Compound,
    Condition,
    Filter,
    Fusion,
    Rewriting,
    Strategy,
    Unsupported,
)
from ragstone.retrieve.check import MAX_CONDITIONS, MAX_VALUES

Scalar: TypeAlias = bool | float | str


class Body(BaseModel):
    """A body in which null is as good as nothing."""

    @model_validator(mode="before")
    @classmethod
    def _null_is_nothing(cls, body: object) -> object:
        return {name: value for name, value in body.items() if value is not None} if isinstance(body, dict) else body


class Steered(Body):
    """A body that says how its question is to be answered; what it does not say follows the store, then the settings.

    Without a language model nothing of it has an effect, but for `cache`.
    """

    temperature: float | None = Field(default=None, ge=0, le=2, description="Of the language model.")
    strategy: Strategy | None = Field(default=None, description="How a language model comes to its answer.")
    rewriting: Rewriting | None = Field(default=None, description="What is searched for, other than the question.")
    unsupported: Unsupported | None = Field(
        default=None, description="What becomes of sentences that no passage supports."
    )
    cache: Literal["use", "bypass"] = Field(
        default="use", description="Whether it may be answered with what was answered before, and be kept for the next."
    )

    def steered(self, instructions: str, max_tokens: int | None) -> AnswerOptions:
        """The same in the house's own terms, with what each interface has a name of its own for."""
        return AnswerOptions(
            strategy=self.strategy,
            rewriting=self.rewriting,
            unsupported=self.unsupported,
            instructions=instructions,
            max_tokens=max_tokens,
            temperature=self.temperature,
            cached=self.cache == "use",
        )


class ComparisonFilter(BaseModel):
    """`key type value`."""

    type: Comparison
    key: str = Field(min_length=1)
    value: Scalar | Annotated[list[Scalar], Field(max_length=MAX_VALUES, fail_fast=True)]


class CompoundFilter(BaseModel):
    """All or any of several filters."""

    type: Literal["and", "or"]
    filters: Annotated[list[AnyFilter], Field(max_length=MAX_CONDITIONS, fail_fast=True)]


def _kind(given: object) -> str:
    """Which filter it is to be, so that a client is told what is wrong with that one and not with the other."""
    return "compound" if isinstance(given, dict) and given.get("type") in ("and", "or") else "comparison"


AnyFilter: TypeAlias = Annotated[
    Annotated[ComparisonFilter, Tag("comparison")] | Annotated[CompoundFilter, Tag("compound")], Discriminator(_kind)
]


class HybridWeights(BaseModel):
    """How much each half of the hybrid search counts."""

    embedding_weight: float = Field(ge=0)
    text_weight: float = Field(ge=0)


class RankingOptions(BaseModel):
    """How hits are ranked; `none` leaves out the reranker of the settings, and OpenAI's names leave it in."""

    ranker: Literal["none", "auto", "default-2024-11-15"] = "auto"
    score_threshold: float = Field(default=0.0, ge=0, le=1)
    hybrid_search: HybridWeights | None = None


class SearchRequest(BaseModel):
    """The body of a search; other words are searched as well where a rewrite is asked for and a model can make it."""

    query: str | Annotated[list[str], Field(min_length=1, max_length=16, fail_fast=True)]
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
