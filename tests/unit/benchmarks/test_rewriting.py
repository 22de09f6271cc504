from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from answer_samples import hit

from ragstone.domain import Hit, Scores


@pytest.fixture
def rewriting(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "benchmarks"))
    import rewriting

    return rewriting


def scored(source: str, fused: float) -> Hit:
    found = hit(source, source)
    return replace(found, passage=replace(found.passage, source=source), scores=Scores(0.5, 1.0, fused))


def test_every_merge_names_each_document_and_the_undisputed_best_first(rewriting: ModuleType) -> None:
    found = [[scored("a", 0.9), scored("b", 0.5)], [scored("a", 0.8), scored("c", 0.4)]]
    for name, merged in rewriting.MERGES.items():
        order = list(dict.fromkeys(merged(found)))
        assert order[0] == "a", name
        assert sorted(order) == ["a", "b", "c"], name


def test_ranks_and_sums_reward_what_several_queries_find(rewriting: ModuleType) -> None:
    found = [[scored("a", 0.9), scored("b", 0.8)], [scored("c", 0.7), scored("b", 0.6)]]
    assert rewriting.MERGES["sum"](found)[0] == rewriting.MERGES["rrf"](found)[0] == "b"
    assert rewriting.MERGES["best"](found) == ["a", "b", "c"]
    assert rewriting.MERGES["in turns"](found) == ["a", "c", "b", "b"]


def test_questions_are_joined_to_one_sentence(rewriting: ModuleType) -> None:
    assert rewriting._sentence(["Who came?", "What was said?", "Why?"]) == "Who came, and what was said, and why?"


def test_questions_that_share_a_document_are_not_joined(rewriting: ModuleType) -> None:
    asked = [rewriting.Asked(f"Question {number}?", frozenset({str(number % 3)})) for number in range(9)]
    bundle = rewriting.joined(rewriting.RetrievalSet("small", {}, asked))
    assert len(bundle.asked) == rewriting.JOINED
    assert all(len(one.relevant) == len(one.queries) == 2 for one in bundle.asked)


def test_a_thinned_question_keeps_half_of_its_telling_words_in_their_order(rewriting: ModuleType) -> None:
    thinned = rewriting._thinned("How often is the gearbox oil changed in winter", random.Random(1)).split()
    telling = ["often", "gearbox", "oil", "changed", "winter"]
    assert len(thinned) == 2
    assert thinned == [word for word in telling if word in thinned]
    assert rewriting._thinned("the of", random.Random(1)) == "the of"
