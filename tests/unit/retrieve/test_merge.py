from __future__ import annotations

from dataclasses import replace

from answer_samples import hit
from hypothesis import given
from hypothesis import strategies as st

from ragstone.domain import Hit, Scores
from ragstone.retrieve.merge import evening, merge


def scored(text: str, fused: float, rerank: float | None = None) -> Hit:
    return replace(hit(text, text), scores=Scores(0.5, 1.0, fused, rerank))


def test_each_passage_comes_once_with_its_best_score() -> None:
    merged = merge([[scored("a", 0.9), scored("b", 0.4)], [scored("b", 0.6), scored("c", 0.5)]])
    assert [(one.passage.text, one.scores.fused) for one in merged] == [("a", 0.9), ("b", 0.6), ("c", 0.5)]


def test_what_further_queries_find_can_count_less_and_says_so() -> None:
    merged = merge([[scored("a", 0.5)], [scored("b", 0.54), scored("c", 0.6)], [scored("b", 0.5)]], [1.0, 0.9, 0.9])
    assert [(one.passage.text, round(one.scores.fused, 3)) for one in merged] == [("c", 0.54), ("a", 0.5), ("b", 0.486)]


def test_weights_can_make_the_best_of_all_queries_count_the_same() -> None:
    found = [[scored("a", 0.8), scored("b", 0.7)], [scored("c", 0.4), scored("d", 0.1)], []]
    assert evening(found) == [0.5, 1.0, 1.0]
    merged = merge(found, evening(found))
    assert [(one.passage.text, one.scores.fused) for one in merged] == [("a", 0.4), ("c", 0.4), ("b", 0.35), ("d", 0.1)]
    assert evening([[], [scored("a", 0.0)]]) == [1.0, 1.0]


def test_where_there_is_a_reranker_s_score_it_decides() -> None:
    merged = merge([[scored("a", 0.9, 0.2)], [scored("b", 0.4, 0.8), scored("a", 0.1, 0.3)]])
    assert [(one.passage.text, one.scores.rerank) for one in merged] == [("b", 0.8), ("a", 0.3)]


def test_nothing_found_is_nothing_merged() -> None:
    assert merge([[], []]) == []


@given(
    st.lists(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from([0.1, 0.2, 0.3])), max_size=8), max_size=4)
)
def test_neither_the_order_of_the_queries_nor_that_of_their_hits_matters(found: list[list[tuple[str, float]]]) -> None:
    hits = [[scored(text, fused) for text, fused in one] for one in found]
    merged = merge(hits)
    assert merged == merge([one[::-1] for one in hits[::-1]])
    assert {one.passage.text for one in merged} == {text for one in found for text, _ in one}
