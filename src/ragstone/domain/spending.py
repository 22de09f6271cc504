"""What a key or a tenant may spend, and how much of it is spent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class SpendingLimits:
    """What may be spent in each minute, day and month of UTC; None: any amount.

    Requests are those to the service, of every kind. Tokens are those that language models read and write for answers,
    and cost is their price, in the currency of the models' prices.
    """

    requests_per_minute: int | None = None
    requests_per_day: int | None = None
    requests_per_month: int | None = None
    tokens_per_minute: int | None = None
    tokens_per_day: int | None = None
    tokens_per_month: int | None = None
    cost_per_minute: float | None = None
    cost_per_day: float | None = None
    cost_per_month: float | None = None

    @classmethod
    def of(cls, given: Mapping[str, float | None]) -> SpendingLimits:
        """Limits by their names; costs may have parts, and what is not named is None."""
        values: dict[str, Any] = {
            name: value if value is None or name.startswith("cost") else int(value) for name, value in given.items()
        }
        return cls(**values)

    @property
    def given(self) -> Mapping[str, float]:
        """Those that are no None, by their names."""
        values = ((name, getattr(self, name)) for name in LIMITS)
        return {name: value for name, value in values if value is not None}


LIMITS = tuple(field.name for field in fields(SpendingLimits))  # their names


@dataclass(frozen=True, slots=True)
class Standing:
    """How much of a limit is used."""

    name: str  # such as tokens_per_day
    most: float  # a whole number unless it is a cost, as is the next
    used: float  # what answers that are being made may take at most is included
    renews_at: datetime  # when nothing of it is used any more


@dataclass(frozen=True, slots=True)
class Spent:
    """What one key or tenant has spent on one day."""

    day: date  # of UTC
    subject: str  # public id of a key, or name of a tenant; empty: no key was shown
    label: str  # the key's name
    requests: int
    answers: int  # that language models were asked for
    input_tokens: int
    output_tokens: int
    cost: float  # in the currency of the models' prices
