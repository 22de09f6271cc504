from __future__ import annotations

import numpy as np
from answer_samples import BY_WORDS, hit

from ragstone.answer.choose import choose, reading_order
from ragstone.answer.evidence import Quotable, Scored
from ragstone.answer.units import Unit
from ragstone.domain import Vector

TEXT = "First comes this. Then comes that. Last comes the end."


def direction(number: int) -> Vector:
    vector = np.zeros(16, np.float32)
    vector[number] = 1.0
    return vector


def scored(
    probability: float, meaning: int, span: tuple[int, int] = (0, 17), file_id: str = "file_1", start: int = 0
) -> Scored:
    passage = hit(TEXT, file_id, start=start).passage
    return Scored(Quotable(passage, Unit(*span), 0.5), probability, direction(meaning), np.zeros(3))


def test_nothing_is_chosen_when_the_best_is_not_likely_enough() -> None:
    assert choose([scored(0.29, 0)], BY_WORDS) == []
    assert choose([], BY_WORDS) == []


def test_a_further_sentence_has_to_be_nearly_as_good_as_the_best() -> None:
    best, close, far = scored(0.9, 0, (0, 5)), scored(0.64, 1, (6, 10)), scored(0.62, 2, (11, 16))
    assert choose([best, close, far], BY_WORDS) == [best, close]


def test_at_most_three_sentences_are_chosen() -> None:
    many = [scored(0.9, number, (number * 5, number * 5 + 4)) for number in range(6)]
    assert choose(many, BY_WORDS) == many[:3]


def test_a_sentence_that_means_the_same_is_not_said_again() -> None:
    best, same, other = scored(0.9, 0), scored(0.9, 0, file_id="file_2"), scored(0.8, 1, file_id="file_3")
    assert choose([best, same, other], BY_WORDS) == [best, other]


def test_stretches_of_a_file_that_overlap_are_not_said_twice_even_from_different_passages() -> None:
    best = scored(0.9, 0, (18, 34), start=100)
    overlapping = scored(0.9, 1, (0, 10), start=110)
    assert choose([best, overlapping], BY_WORDS) == [best]


def test_sentences_of_a_file_are_read_in_its_order_and_the_best_file_first() -> None:
    late, other, early = scored(0.9, 0, (35, 54)), scored(0.8, 1, file_id="file_2"), scored(0.7, 2, (0, 17))
    assert reading_order([late, other, early]) == [early, late, other]
