from __future__ import annotations

import doctest
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def measures(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "benchmarks"))
    import measures

    yield measures
    del sys.modules["measures"]


def test_the_examples_in_the_measures_are_true(measures: ModuleType) -> None:
    assert doctest.testmod(measures).failed == 0


def test_a_perfect_ranking_scores_one_and_a_missing_answer_zero(measures: ModuleType) -> None:
    assert measures.ndcg(["a", "b", "x"], {"a", "b"}) == pytest.approx(1.0)
    assert measures.ndcg(["x"] * 10 + ["a"], {"a"}) == 0
    assert measures.mrr(["x"] * 10 + ["a"], {"a"}) == 0
    assert measures.recall([], {"a"}) == 0


def test_more_relevant_documents_than_places_can_still_score_one(measures: ModuleType) -> None:
    relevant = {f"d{number}" for number in range(20)}
    assert measures.ndcg(sorted(relevant), relevant) == pytest.approx(1.0)


def test_evidence_that_is_read_twice_counts_once(measures: ModuleType) -> None:
    assert measures.overlap([(0, 10), (5, 15)], [(0, 10)], 20) == (1.0, 0.5, 0.5)
