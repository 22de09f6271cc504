from __future__ import annotations

import math

import numpy as np
import pytest

from ragstone.domain import Fusion
from ragstone.errors import InvalidQuestionError
from ragstone.retrieve import fuse

ONE, NOTHING = np.ones(1), np.zeros(1)


def test_a_passage_that_has_everything_scores_one_and_one_that_has_nothing_zero() -> None:
    assert fuse.convex(ONE, ONE, ONE) == pytest.approx([1.0])
    assert fuse.convex(NOTHING, NOTHING, NOTHING) == pytest.approx([0.0])


def test_the_opposite_meaning_counts_as_no_meaning_in_common() -> None:
    assert fuse.convex(-ONE, NOTHING, NOTHING) == pytest.approx([0.0])


def test_only_the_proportion_of_the_weights_counts() -> None:
    dense, words, phrases = np.array([0.2, 0.9]), np.array([0.7, 0.1]), np.array([0.5, 0.0])
    small = fuse.convex(dense, words, phrases, Fusion(0.3, 0.1))
    assert fuse.convex(dense, words, phrases, Fusion(3.0, 1.0)) == pytest.approx(small)


def test_a_half_without_weight_does_not_count() -> None:
    dense, words, phrases = np.array([0.2, 0.9]), np.array([0.7, 0.1]), np.array([0.5, 0.5])
    assert fuse.convex(dense, words, phrases, Fusion(1.0, 0.0)) == pytest.approx(dense)
    assert fuse.convex(dense, words, phrases, Fusion(0.0, 1.0)) == pytest.approx(
        (1 - fuse.PHRASE_SHARE) * words + fuse.PHRASE_SHARE * phrases
    )


def test_a_score_does_not_depend_on_the_other_candidates() -> None:
    dense, words, phrases = np.array([0.2, 0.9]), np.array([0.7, 0.1]), np.array([0.5, 0.5])
    together = fuse.convex(dense, words, phrases)
    alone = fuse.convex(dense[:1], words[:1], phrases[:1])
    assert together[0] == pytest.approx(alone[0])


@pytest.mark.parametrize(
    "weights", [Fusion(0, 0), Fusion(-1, 2), Fusion(1, -0.5), Fusion(math.nan, 1), Fusion(math.inf, 1)]
)
def test_weights_that_do_not_fit_are_refused_with_a_remedy(weights: Fusion) -> None:
    with pytest.raises(InvalidQuestionError, match="Give two numbers"):
        fuse.convex(ONE, ONE, ONE, weights)
