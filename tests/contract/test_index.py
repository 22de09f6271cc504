from __future__ import annotations

import numpy as np
import pytest
from contract.samples import MODEL, LibraryAndIndex, Piece, candidates, look, passages, put, texts

from ragstone.domain import AttributeValue, Comparison, Compound, Condition, Filter, Span

pytestmark = pytest.mark.anyio


class TestIndex:
    async def test_what_was_put_is_found_at_once(self, library_and_index: LibraryAndIndex) -> None:
        store = await library_and_index.library.open_store("one", MODEL)
        assert list((await candidates(library_and_index, [store], "alpha")).nearest) == []
        await put(library_and_index, store, "/a.txt", Piece("alpha beta"))
        found = await candidates(library_and_index, [store], "alpha", "gamma")
        assert len(found.nearest) == 1
        assert list(found.lexical.postings) == ["alpha"]

    async def test_the_nearest_chunks_come_first_and_no_more_than_the_limit(
        self, library_and_index: LibraryAndIndex
    ) -> None:
        store = await library_and_index.library.open_store("one", MODEL)
        await put(library_and_index, store, "/a.txt", Piece("far", 80), Piece("near", 10), Piece("between", 45))
        await put(library_and_index, store, "/b.txt", Piece("nearest", 5))
        assert await texts(library_and_index, [store], limit=3) == ["nearest", "near", "between"]
        found = await candidates(library_and_index, [store], limit=2)
        assert [found.dense[chunk_id] for chunk_id in found.nearest] == pytest.approx(
            np.cos(np.radians([5, 10])), abs=2e-3
        )

    async def test_postings_tell_frequency_and_length_ascending_by_chunk(
        self, library_and_index: LibraryAndIndex
    ) -> None:
        store = await library_and_index.library.open_store("one", MODEL)
        await put(library_and_index, store, "/a.txt", Piece("a a b"), Piece("a c"))
        await put(library_and_index, store, "/b.txt", Piece("a a a b c"))
        await put(library_and_index, store, "/a.txt", Piece("a a b"), Piece("a c"))
        postings = (await candidates(library_and_index, [store], "a")).lexical.postings["a"]
        assert sorted(zip(postings.frequencies, postings.lengths, strict=True)) == [(1, 2), (2, 3), (3, 5)]
        assert np.all(np.diff(postings.chunk_ids) > 0)

    async def test_counts_are_right_after_a_replacement_and_a_removal(self, library_and_index: LibraryAndIndex) -> None:
        store = await library_and_index.library.open_store("one", MODEL)
        await put(library_and_index, store, "/a.txt", Piece("a a b"), Piece("a c"))
        await put(library_and_index, store, "/b.txt", Piece("a b c d"))
        found = await candidates(library_and_index, [store], "a")
        assert (found.lexical.chunk_count, found.lexical.total_length) == (3, 9)
        await put(library_and_index, store, "/a.txt", Piece("a"))
        found = await candidates(library_and_index, [store], "a")
        assert (found.lexical.chunk_count, found.lexical.total_length) == (2, 5)
        await library_and_index.library.remove(store, ["/b.txt"])
        found = await candidates(library_and_index, [store], "a")
        assert (found.lexical.chunk_count, found.lexical.total_length) == (1, 1)

    async def test_the_removed_is_gone_from_both_halves(self, library_and_index: LibraryAndIndex) -> None:
        store = await library_and_index.library.open_store("one", MODEL)
        await put(library_and_index, store, "/a.txt", Piece("alpha both"))
        await put(library_and_index, store, "/b.txt", Piece("beta both", 20))
        await library_and_index.library.remove(store, ["/a.txt"])
        found = await candidates(library_and_index, [store], "alpha", "both")
        assert [passage.text for passage in await passages(library_and_index, [store], found)] == ["beta both"]
        assert "alpha" not in found.lexical.postings
        assert len(found.lexical.postings["both"].chunk_ids) == 1

    async def test_an_open_snapshot_keeps_the_version_that_it_began_with(
        self, library_and_index: LibraryAndIndex
    ) -> None:
        store = await library_and_index.library.open_store("one", MODEL)
        await put(library_and_index, store, "/a.txt", Piece("former words", 20))
        async with library_and_index.index.snapshot([store]) as snapshot:
            before = await look(snapshot, ["words"])
            await put(library_and_index, store, "/a.txt", Piece("latter words", 5), Piece("more words", 7))
            after = await look(snapshot, ["words"])
            bodies = await snapshot.passages([before.nearest[0]])
        assert list(after.nearest) == list(before.nearest)
        assert (after.lexical.chunk_count, after.lexical.total_length) == (1, 2)
        assert [body.text for body in bodies.values()] == ["former words"]
        assert await texts(library_and_index, [store]) == ["latter words", "more words"]

    async def test_only_the_named_stores_are_searched(self, library_and_index: LibraryAndIndex) -> None:
        one = await library_and_index.library.open_store("one", MODEL)
        two = await library_and_index.library.open_store("two", MODEL)
        await put(library_and_index, one, "/a.txt", Piece("alpha word"))
        await put(library_and_index, two, "/b.txt", Piece("beta word here", 10))
        found = await candidates(library_and_index, [one], "word", "beta")
        assert await texts(library_and_index, [one]) == ["alpha word"]
        assert set(found.lexical.postings) == {"word"}
        assert len(found.lexical.postings["word"].chunk_ids) == 1
        assert (found.lexical.chunk_count, found.lexical.total_length) == (1, 2)

    async def test_two_stores_are_searched_as_one(self, library_and_index: LibraryAndIndex) -> None:
        one = await library_and_index.library.open_store("one", MODEL)
        two = await library_and_index.library.open_store("two", MODEL)
        await put(library_and_index, one, "/a.txt", Piece("alpha word", 30), Piece("gamma word", 10))
        await put(library_and_index, two, "/b.txt", Piece("beta word here", 20))
        assert await texts(library_and_index, [one, two]) == ["gamma word", "beta word here", "alpha word"]
        found = await candidates(library_and_index, [one, two], "word")
        assert (found.lexical.chunk_count, found.lexical.total_length) == (3, 7)
        assert len(found.lexical.postings["word"].chunk_ids) == 3
        assert np.all(np.diff(found.lexical.postings["word"].chunk_ids) > 0)

    async def test_a_passage_carries_its_place_and_its_document(self, library_and_index: LibraryAndIndex) -> None:
        store = await library_and_index.library.open_store("one", MODEL)
        pieces = (Piece("alpha words", 10), Piece("über 漢字 words", 60))
        file_id = await put(library_and_index, store, "/docs/a.txt", *pieces, attributes={"year": 2024.0})
        found = await candidates(library_and_index, [store])
        _, passage = await passages(library_and_index, [store], found)
        assert (passage.file_id, passage.filename, passage.source) == (file_id, "a.txt", "/docs/a.txt")
        assert (passage.text, passage.start, passage.end) == ("über 漢字 words", 12, 25)
        assert (passage.heading, passage.page) == (("Guide", "über "), 3)
        assert passage.place_at(passage.start) == (("Guide", "über "), 3)
        assert passage.place_at(passage.start + 1) == (("Guide", "inside"), None)
        assert passage.attributes == {"year": 2024.0}
        assert found.dense[passage.chunk_id] == pytest.approx(0.5, abs=2e-3)

    async def test_passages_of_unknown_ids_are_absent(self, library_and_index: LibraryAndIndex) -> None:
        one = await library_and_index.library.open_store("one", MODEL)
        two = await library_and_index.library.open_store("two", MODEL)
        await put(library_and_index, one, "/a.txt", Piece("alpha"))
        await put(library_and_index, two, "/b.txt", Piece("beta"))
        known = (await candidates(library_and_index, [one])).nearest[0]
        elsewhere = (await candidates(library_and_index, [two])).nearest[0]
        async with library_and_index.index.snapshot([one]) as snapshot:
            assert set(await snapshot.passages([known, elsewhere, 2**40])) == {known}
            assert await snapshot.passages([]) == {}

    async def test_a_quote_is_the_exact_text_of_its_place(self, library_and_index: LibraryAndIndex) -> None:
        store = await library_and_index.library.open_store("one", MODEL)
        file_id = await put(library_and_index, store, "/a.txt", Piece("  über  "), Piece("漢字\t🙂 end"))
        assert await library_and_index.index.quotes([store], [Span(file_id, 2, 6)]) == [frozenset({"über"})]
        assert await library_and_index.index.quotes([store], [Span(file_id, 9, 17)]) == [frozenset({"漢字\t🙂 end"})]

    async def test_there_is_no_quote_of_a_removed_document(self, library_and_index: LibraryAndIndex) -> None:
        store = await library_and_index.library.open_store("one", MODEL)
        file_id = await put(library_and_index, store, "/a.txt", Piece("alpha"))
        await library_and_index.library.remove(store, ["/a.txt"])
        assert await library_and_index.index.quotes([store], [Span(file_id, 0, 5)]) == [frozenset()]
        assert await library_and_index.index.quotes([store], [Span("file_unknown", 0, 5)]) == [frozenset()]


def _is(comparison: Comparison, key: str, *values: AttributeValue) -> Condition:
    several = comparison in (Comparison.IN, Comparison.NIN)
    return Condition(comparison, key, values if several else values[0])


FILTERS = {
    "eq text": (_is(Comparison.EQ, "team", "north"), "bc"),
    "eq number": (_is(Comparison.EQ, "year", 2023), "b"),
    "eq truth": (_is(Comparison.EQ, "draft", True), "c"),
    "eq text that looks like a number": (_is(Comparison.EQ, "year", "2023"), "d"),
    "eq truth is no number": (_is(Comparison.EQ, "draft", 1), ""),
    "ne counts the missing": (_is(Comparison.NE, "team", "north"), "ade"),
    "ne number against text": (_is(Comparison.NE, "year", 2023), "acde"),
    "gt": (_is(Comparison.GT, "year", 2023), "c"),
    "gte": (_is(Comparison.GTE, "year", 2023), "bc"),
    "gte fraction": (_is(Comparison.GTE, "year", 2023.5), "c"),
    "gte number of 16 digits": (_is(Comparison.GTE, "at", 1712345678.123456), "a"),
    "lt number of 16 digits": (_is(Comparison.LT, "at", 1712345678.123456), ""),
    "lt": (_is(Comparison.LT, "year", 2023), "a"),
    "lte": (_is(Comparison.LTE, "year", 2023), "ab"),
    "lt text by code point": (_is(Comparison.LT, "team", "a"), "d"),
    "gt text against number": (_is(Comparison.GT, "year", "2"), "d"),
    "in": (_is(Comparison.IN, "year", 2022, 2024, "2023"), "acd"),
    "in nothing": (_is(Comparison.IN, "year"), ""),
    "nin counts the missing": (_is(Comparison.NIN, "team", "north", "South"), "ae"),
    "nin nothing": (_is(Comparison.NIN, "team"), "abcde"),
    "and": (Compound(True, (_is(Comparison.EQ, "team", "north"), _is(Comparison.GT, "year", 2023))), "c"),
    "or": (Compound(False, (_is(Comparison.EQ, "team", "South"), _is(Comparison.LT, "year", 2023))), "ad"),
    "or inside and": (
        Compound(
            True,
            (
                Compound(False, (_is(Comparison.EQ, "year", 2022), _is(Comparison.EQ, "year", 2023))),
                _is(Comparison.NE, "team", "north"),
            ),
        ),
        "a",
    ),
    "quotes and signs are text": (_is(Comparison.EQ, "team'; --", "x"), ""),
}
ATTRIBUTES: dict[str, dict[str, AttributeValue]] = {
    "a": {"year": 2022, "at": 1712345678.123456},
    "b": {"year": 2023, "team": "north", "draft": False},
    "c": {"year": 2024, "team": "north", "draft": True},
    "d": {"year": "2023", "team": "South"},
    "e": {},
}


class TestFilters:
    @pytest.mark.parametrize(("condition", "passing"), FILTERS.values(), ids=FILTERS)
    async def test_a_filter_lets_pass_what_it_says(
        self, library_and_index: LibraryAndIndex, condition: Filter, passing: str
    ) -> None:
        store = await library_and_index.library.open_store("one", MODEL)
        for angle, (name, attributes) in enumerate(ATTRIBUTES.items()):
            await put(library_and_index, store, f"/{name}", Piece(f"{name} word", angle), attributes=attributes)
        everything = await candidates(library_and_index, [store])
        found = await candidates(library_and_index, [store], "word", condition=condition)
        texts_by_id = {p.chunk_id: p.text[0] for p in await passages(library_and_index, [store], everything)}
        assert "".join(texts_by_id[chunk_id] for chunk_id in found.nearest) == passing
        assert found.lexical.rankable is not None
        assert sorted(texts_by_id[chunk_id] for chunk_id in found.lexical.rankable.tolist()) == sorted(passing)

    async def test_a_filter_leaves_the_statistics_alone(self, library_and_index: LibraryAndIndex) -> None:
        store = await library_and_index.library.open_store("one", MODEL)
        await put(library_and_index, store, "/a", Piece("word"), attributes={"year": 2022})
        await put(library_and_index, store, "/b", Piece("word here"), attributes={"year": 2023})
        found = await candidates(library_and_index, [store], "word", condition=_is(Comparison.EQ, "year", 2022))
        assert (found.lexical.chunk_count, found.lexical.total_length) == (2, 3)
        assert len(found.lexical.postings["word"].chunk_ids) == 2

    async def test_without_a_filter_everything_is_rankable(self, library_and_index: LibraryAndIndex) -> None:
        store = await library_and_index.library.open_store("one", MODEL)
        await put(library_and_index, store, "/a", Piece("word"))
        assert (await candidates(library_and_index, [store], "word")).lexical.rankable is None
