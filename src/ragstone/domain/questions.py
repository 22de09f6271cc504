"""What is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from ragstone.domain.chats import Message, Role
from ragstone.domain.documents import AttributeValue
from ragstone.domain.index import Hit, Store


class Comparison(StrEnum):
    """How a filter compares an attribute with its value."""

    EQ = "eq"
    NE = "ne"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    IN = "in"
    NIN = "nin"


@dataclass(frozen=True, slots=True)
class Condition:
    """`key comparison value`, such as `year gte 2023`; a missing attribute satisfies only `ne` and `nin`."""

    comparison: Comparison
    key: str
    value: AttributeValue | tuple[AttributeValue, ...]


@dataclass(frozen=True, slots=True)
class Compound:
    """All (`and`) or any (`or`) of several filters."""

    every: bool
    filters: tuple[Filter, ...]


Filter: TypeAlias = Condition | Compound


@dataclass(frozen=True, slots=True)
class Fusion:
    """How much each half of the hybrid search counts; they are normalised to a sum of 1."""

    dense: float
    lexical: float


class Strategy(StrEnum):
    """How a language model comes to its answer."""

    DIRECT = "direct"  # one call with the passages
    FEW_SHOT = "few_shot"  # the same behind worked examples
    CHAIN_OF_THOUGHT = "chain_of_thought"  # it reasons first, and that is not shown
    SELF_CONSISTENCY = "self_consistency"  # several answers, and what most of them say
    DIVIDE_AND_CONQUER = "divide_and_conquer"  # the question's parts, each answered, then put together
    REACT = "react"  # it searches step by step until it can answer


class Rewriting(StrEnum):
    """What is searched for, other than the question's own words."""

    NONE = "none"
    CONDENSE = "condense"  # a follow-up as a question that can be understood alone
    MULTI_QUERY = "multi_query"  # beside it, the same in other words
    DECOMPOSE = "decompose"  # instead of it, the questions that it is made of


class Unsupported(StrEnum):
    """What becomes of sentences that no passage supports."""

    MARK = "mark"  # they are said, and named in the answer's grounding
    REMOVE = "remove"  # they are not said


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """How a question is to be answered; what is None follows the store, and then the settings."""

    strategy: Strategy | None = None
    rewriting: Rewriting | None = None
    unsupported: Unsupported | None = None
    instructions: str = ""  # of the asker, beside the prompt's own
    max_tokens: int | None = None  # of the answer
    temperature: float | None = None
    cached: bool = True  # whether it may be answered with what was answered before, and be kept for the next


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, of which stores."""

    text: str
    stores: tuple[Store, ...]
    top_k: int = 10
    filter: Filter | None = None
    fusion: Fusion | None = None  # None: the calibrated default
    score_threshold: float = 0.0  # hits with a lower fused score are left out
    history: tuple[Message, ...] = ()  # the conversation before it, oldest first
    options: AnswerOptions = field(default_factory=AnswerOptions)

    @property
    def earlier(self) -> str:
        """What was asked before it; empty: nothing was."""
        asked = [message.text for message in self.history if message.role is Role.USER]
        return asked[-1] if asked else ""


@dataclass(frozen=True, slots=True)
class Results:
    """The hits for a question, best first, and what each hop took."""

    hits: tuple[Hit, ...]
    timings_ms: Mapping[str, float]
    queries: tuple[str, ...] = ()  # what was searched for, in this order; none: the question alone
