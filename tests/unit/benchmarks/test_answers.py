from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "benchmarks"))
    import answers

    yield answers
    del sys.modules["answers"], sys.modules["answer_sets"]


def test_auroc_is_the_share_of_pairs_in_the_right_order(answers: ModuleType) -> None:
    assert answers.auroc(np.array([0.9, 0.5]), np.array([0.5, 0.1])) == pytest.approx(0.875)


def test_regression_finds_the_weights_that_made_the_labels(answers: ModuleType) -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(20_000, 2))
    labels = (rng.random(20_000) < 1 / (1 + np.exp(1.0 - features @ [2.0, -3.0]))).astype(float)
    assert answers.regression(features, labels, np.ones(20_000)) == pytest.approx([-1.0, 2.0, -3.0], abs=0.15)


def test_a_threshold_refuses_a_tenth_of_the_answerable_and_lets_a_tenth_of_the_near_misses_pass(
    answers: ModuleType,
) -> None:
    likely, unlikely = np.linspace(0.4, 0.9, 11), np.linspace(0.0, 0.5, 11)
    kinds = ["answerable"] * 11 + ["gold removed"] * 11
    found = answers.thresholds(np.concatenate([likely, unlikely]), kinds)
    assert found == {"partial_from": pytest.approx(0.45), "supported_from": pytest.approx(0.45)}


def test_every_row_of_a_table_has_every_column(answers: ModuleType) -> None:
    assert answers.table([{"a": 1, "b": 0.5}, {"a": 2}]).splitlines() == ["a  b    ", "1  0.500", "2       "]
