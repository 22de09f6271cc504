from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest

from ragstone.domain import Fusion, Question, Store
from ragstone.errors import InvalidQuestionError
from ragstone.fakes.models import HashingEmbedder
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


def _weights(text: str, *languages: str) -> Fusion:
    stores = (Store(1, "vs_1", "one", HashingEmbedder().model, language, datetime.now(UTC)) for language in languages)
    return fuse.weights_for(Question(text, tuple(stores)))


def test_the_dense_half_counts_less_the_more_of_the_question_is_in_a_foreign_script() -> None:
    assert _weights("Who wrote Żółć, Ünal or 1984?", "english") == fuse.DEFAULT
    assert _weights("2 + 2?", "english") == fuse.DEFAULT
    mixed, foreign = _weights("KServe 설치", "english"), _weights("ما هي العاصمة؟", "english")
    assert fuse.DEFAULT.dense > mixed.dense > foreign.dense == pytest.approx(fuse.DEFAULT.dense * fuse.FOREIGN_TRUST)
    assert foreign.lexical == fuse.DEFAULT.lexical


def test_the_dense_half_counts_less_where_a_store_is_not_english() -> None:
    assert _weights("Wie alt?", "english", "german").dense < _weights("Wie alt?", "english").dense


@pytest.mark.parametrize(
    "weights", [Fusion(0, 0), Fusion(-1, 2), Fusion(1, -0.5), Fusion(math.nan, 1), Fusion(math.inf, 1)]
)
def test_weights_that_do_not_fit_are_refused_with_a_remedy(weights: Fusion) -> None:
    with pytest.raises(InvalidQuestionError, match="Give two numbers"):
        fuse.convex(ONE, ONE, ONE, weights)
