from __future__ import annotations

import numpy as np
import pytest

from ragstone.answer.calibration import MINILM, Calibration, Policy


def test_probability_is_the_logistic_of_the_weighted_evidence() -> None:
    calibration = Calibration(-1.0, (1.0, 2.0, 3.0))
    found = calibration.probability(np.array([[0.0, 0.0, 1 / 3], [1.0, 0.0, 0.0], [1.0, 1.0, 1.0]]))
    assert found == pytest.approx([0.5, 0.5, 1 / (1 + np.exp(-5))])


def test_no_evidence_gives_no_probability() -> None:
    assert MINILM.probability(np.empty((0, 3))).shape == (0,)


def test_a_sentence_that_has_all_words_and_the_meaning_of_a_question_is_supported() -> None:
    alike, foreign = MINILM.probability(np.array([[0.8, 1.0, 0.7], [0.1, 0.1, 0.1]]))
    assert alike > Policy().supported_from
    assert foreign < Policy().partial_from


@pytest.mark.parametrize("column", range(3))
def test_more_evidence_of_any_kind_never_counts_against_a_sentence(column: int) -> None:
    low, high = np.full((1, 3), 0.5), np.full((1, 3), 0.5)
    high[0, column] = 0.6
    assert MINILM.probability(high) > MINILM.probability(low)
