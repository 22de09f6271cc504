from __future__ import annotations

from dataclasses import replace

import pytest
from shelves import TEXTS, Shelf

from ragstone.domain import Comparison, Compound, Condition, Filter, Fusion, Question
from ragstone.errors import InvalidQuestionError
from ragstone.fakes.models import HashingEmbedder
from ragstone.retrieve.check import MAX_CHARACTERS, MAX_CONDITIONS, MAX_DEPTH, MAX_VALUES
from ragstone.retrieve.search import DEPTH, search

pytestmark = pytest.mark.anyio


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


async def test_the_passage_that_shares_words_and_meaning_comes_first(shelf: Shelf) -> None:
    store = await shelf.store(TEXTS)
    found = await shelf.found(Question("When is the gearbox oil changed?", (store,), top_k=2))
    assert found[0] == TEXTS[0]
    assert len(found) == 2


async def test_hits_fall_in_score_and_every_score_lies_between_zero_and_one(shelf: Shelf) -> None:
    store = await shelf.store(TEXTS)
    results = await search(Question("gearbox oil", (store,)), shelf.index, shelf.embedder)
    fused = [hit.scores.fused for hit in results.hits]
    assert fused == sorted(fused, reverse=True)
    assert all(0 <= score <= 1 for score in fused)
    assert results.hits[0].scores.lexical > 0


async def test_equal_passages_come_in_the_order_of_their_ids(shelf: Shelf) -> None:
    store = await shelf.store([f"{'same words ' * 5}{' ' * blanks}." for blanks in range(12)])
    results = await search(Question("same words", (store,), top_k=12), shelf.index, shelf.embedder)
    ids = [hit.passage.chunk_id for hit in results.hits]
    assert len(ids) == 12
    assert ids == sorted(ids)


async def test_more_hits_than_the_usual_depth_can_be_asked_for(shelf: Shelf) -> None:
    store = await shelf.store([f"hall number {number}" for number in range(DEPTH + 30)])
    assert len(await shelf.found(Question("hall", (store,), top_k=DEPTH + 20))) == DEPTH + 20


async def test_weights_of_the_question_override_the_default(shelf: Shelf) -> None:
    store = await shelf.store(TEXTS)
    dense = await search(Question("gearbox", (store,), fusion=Fusion(1, 0)), shelf.index, shelf.embedder)
    assert [hit.scores.fused for hit in dense.hits] == pytest.approx([max(hit.scores.dense, 0) for hit in dense.hits])
    lexical = await search(Question("gearbox", (store,), fusion=Fusion(0, 1)), shelf.index, shelf.embedder)
    assert [hit.scores.fused > 0 for hit in lexical.hits] == [True, False, False, False]


async def test_hits_below_the_threshold_are_left_out(shelf: Shelf) -> None:
    store = await shelf.store(TEXTS)
    question = Question("gearbox oil", (store,))
    everything = await search(question, shelf.index, shelf.embedder)
    second = everything.hits[1].scores.fused
    assert await shelf.found(replace(question, score_threshold=second)) == [
        hit.passage.text for hit in everything.hits[:2]
    ]


async def test_a_filter_hides_what_does_not_pass_from_both_halves(shelf: Shelf) -> None:
    store = await shelf.store(TEXTS[:2], attributes={"year": 2023})
    await shelf.store(TEXTS[2:], attributes={"year": 2024})
    newer = Condition(Comparison.GTE, "year", 2024)
    assert set(await shelf.found(Question("gearbox oil hall", (store,), filter=newer))) == set(TEXTS[2:])


async def test_several_stores_are_ranked_together(shelf: Shelf) -> None:
    stores = (await shelf.store(TEXTS[:2], "one"), await shelf.store(TEXTS[2:], "two"))
    assert set(await shelf.found(Question("hall", stores))) == set(TEXTS)
    assert await shelf.found(Question("brakes tested", stores, top_k=1)) == [TEXTS[3]]


async def test_an_empty_store_has_no_hits(shelf: Shelf) -> None:
    assert await shelf.found(Question("gearbox", (await shelf.store([]),))) == []


@pytest.mark.parametrize("text", ["the and of", "?!", "🙂", "漢字", "x" * MAX_CHARACTERS])
async def test_a_question_without_known_words_is_still_searched_by_meaning(shelf: Shelf, text: str) -> None:
    assert len(await shelf.found(Question(text, (await shelf.store(TEXTS),)))) == len(TEXTS)


async def test_the_time_of_every_hop_is_told(shelf: Shelf) -> None:
    results = await search(Question("oil", (await shelf.store(TEXTS),)), shelf.index, shelf.embedder)
    hops = dict(results.timings_ms)
    total = hops.pop("total")
    assert list(hops) == ["words", "embed", "dense", "passages", "fuse"]
    assert sum(hops.values()) == pytest.approx(total)


@pytest.mark.parametrize("text", ["", "  \n\t", "x" * (MAX_CHARACTERS + 1)])
async def test_a_blank_or_endless_question_is_refused(shelf: Shelf, text: str) -> None:
    with pytest.raises(InvalidQuestionError, match="question"):
        await shelf.found(Question(text, (await shelf.store([]),)))


async def test_no_hits_or_no_store_cannot_be_asked_for(shelf: Shelf) -> None:
    with pytest.raises(InvalidQuestionError, match="top_k is 0"):
        await shelf.found(Question("oil", (await shelf.store([]),), top_k=0))
    with pytest.raises(InvalidQuestionError, match="names no store"):
        await shelf.found(Question("oil", ()))


async def test_a_store_of_another_model_is_refused_with_the_way_out(shelf: Shelf) -> None:
    other = await shelf.library.open_store("other", HashingEmbedder(name="other").model)
    with pytest.raises(InvalidQuestionError, match=r"other cannot be searched .* ingest the store again"):
        await shelf.found(Question("oil", (other,)))


def _nested(depth: int) -> Filter:
    inner: Filter = Condition(Comparison.EQ, "year", 2024)
    for _ in range(depth):
        inner = Compound(True, (inner,))
    return inner


def _wide(conditions: int) -> Filter:
    return Compound(False, tuple(Condition(Comparison.EQ, "year", year) for year in range(conditions)))


def _listed(values: int) -> Filter:
    return Condition(Comparison.IN, "year", tuple(range(values)))


@pytest.mark.parametrize(
    ("condition", "complaint"),
    [
        (Condition(Comparison.IN, "year", 2024), "Give a list of values"),
        (Condition(Comparison.EQ, "year", (2024, 2025)), "Give a single value"),
        (Condition(Comparison.EQ, "", 2024), "no key"),
        (Compound(True, ()), "empty `and`"),
        (Compound(True, (Compound(False, ()),)), "empty `or`"),
        (_nested(MAX_DEPTH + 1), "nested"),
        (Compound(True, (_wide(MAX_CONDITIONS), _wide(1))), "201 conditions: at most 200"),
        (Compound(False, (_listed(MAX_VALUES), _listed(1))), "10,001 values: at most 10,000"),
    ],
)
async def test_a_malformed_filter_is_refused(shelf: Shelf, condition: Filter, complaint: str) -> None:
    with pytest.raises(InvalidQuestionError, match=complaint):
        await shelf.found(Question("oil", (await shelf.store([]),), filter=condition))


async def test_a_filter_may_be_nested_as_deep_as_is_said(shelf: Shelf) -> None:
    store = await shelf.store(TEXTS, attributes={"year": 2024})
    assert len(await shelf.found(Question("oil", (store,), filter=_nested(MAX_DEPTH)))) == len(TEXTS)


async def test_a_filter_may_have_as_many_conditions_and_values_as_is_said(shelf: Shelf) -> None:
    store = await shelf.store(TEXTS, attributes={"year": 0})
    for largest in (_wide(MAX_CONDITIONS), Compound(True, (_listed(MAX_VALUES),))):
        assert len(await shelf.found(Question("oil", (store,), filter=largest))) == len(TEXTS)
