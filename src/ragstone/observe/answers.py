"""Answers as they are counted."""

from __future__ import annotations

from ragstone.domain import Answer
from ragstone.observe.metrics import ANSWERS

_EXTRACTIVE = "extractive"  # where no language model was asked


def count(answer: Answer) -> None:
    """Count an answer that somebody gets, from a cache or not."""
    came = answer.provenance
    strategy = _EXTRACTIVE if came.strategy is None else came.strategy.value
    ANSWERS.labels(answer.status.value, strategy, "true" if came.degraded else "false").inc()
