"""The how-to of strategies says what they cost."""

from __future__ import annotations

import re
from pathlib import Path

from ragstone.domain import Rewriting, Strategy
from ragstone.flows.spending import _CALLS

HOWTO = Path(__file__).parents[3] / "docs" / "howto"
ROW = re.compile(r"^\| `(\w+)` \| (?:(\d) (?:to|or) )?(\d)\b", re.MULTILINE)


def most_calls(page: str) -> dict[str, int]:
    text = (HOWTO / page).read_text(encoding="utf-8")
    return {name: int(most) for name, _, most in ROW.findall(text)}


def test_every_strategy_is_told_with_the_calls_that_are_reserved_for_it() -> None:
    assert most_calls("strategies.md") == {strategy.value: _CALLS[strategy] for strategy in Strategy}


def test_every_way_of_rewriting_is_told_with_its_calls() -> None:
    calls = most_calls("query-rewriting.md")
    assert set(calls) == {way.value for way in Rewriting}
    assert max(calls.values()) == 1
