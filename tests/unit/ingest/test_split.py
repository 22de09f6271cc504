from __future__ import annotations

import hashlib
import time
import tracemalloc
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragstone.domain import Block, BlockKind, Chunk, Reading
from ragstone.ingest.atoms import WIDEST_TOKEN
from ragstone.ingest.split import SMALLEST_SIZE, SPLITTER_VERSION, split


class Words:
    """Counts words, and remembers the most characters that it was given at once."""

    def __init__(self) -> None:
        self.largest_call = 0

    def count(self, texts: Sequence[str]) -> list[int]:
        self.largest_call = max(self.largest_call, sum(map(len, texts)))
        return [len(text.split()) for text in texts]


class Characters:
    """Counts characters, as an embedder does with a script of its own signs."""

    def count(self, texts: Sequence[str]) -> list[int]:
        return [len("".join(text.split())) for text in texts]


H, P, L, T, C = BlockKind.HEADING, BlockKind.PARAGRAPH, BlockKind.LIST, BlockKind.TABLE, BlockKind.CODE


def document(*parts: tuple[BlockKind, str] | tuple[BlockKind, str, int], title: str = "") -> Reading:
    """A reading of these blocks; a heading's level is its number of #, the third item is the page."""
    text, blocks = "", []
    path: tuple[str, ...] = ()
    for kind, content, *page in parts:
        if kind is H:
            level = len(content) - len(content.lstrip("#"))
            path = (*path[: level - 1], content.lstrip("# "))
        header = content.split("\n")[0] if kind is T else ""
        blocks.append(Block(kind, len(text), len(text) + len(content), path, page[0] if page else None, header))
        text += content + "\n\n"
    return Reading(text, tuple(blocks), "text/plain", title)


def chunks(reading: Reading, size: int = 20, overlap: int = 0) -> list[Chunk]:
    return list(split(reading, Words(), size, overlap))


def words(count: int, word: str = "w") -> str:
    return " ".join([word] * (count - 1) + [f"{word}."])


def test_a_short_document_is_one_chunk() -> None:
    reading = document((H, "# Title"), (P, "Some words."), (P, "More of them."), title="Title")
    assert chunks(reading) == [
        Chunk(0, 0, 35, "# Title\n\nSome words.\n\nMore of them.", ("Title",), None, ""),
    ]


def test_an_empty_document_has_no_chunks() -> None:
    assert chunks(Reading("", (), "text/plain")) == []
    assert chunks(document((P, "  \n "))) == []


def test_a_chunk_begins_at_the_heading_that_lies_within_the_size() -> None:
    reading = document((H, "# A"), (H, "## B"), (P, words(6)), (H, "## C"), (P, words(17)))
    assert [chunk.text.split("\n")[0] for chunk in chunks(reading)] == ["# A", "## C"]


def test_small_sections_under_the_same_heading_share_a_chunk() -> None:
    reading = document((H, "# A"), (H, "## B"), (P, words(3)), (H, "## C"), (P, words(3)), (H, "## D"), (P, words(3)))
    (chunk,) = chunks(reading, 24)
    assert chunk.heading == ("A",)
    assert "## D" in chunk.text


def test_sections_at_the_top_do_not_share_a_chunk() -> None:
    reading = document((P, "Preface."), (H, "# A"), (P, words(3)), (H, "# B"), (P, words(3)))
    assert [chunk.heading for chunk in chunks(reading)] == [(), ("A",), ("B",)]


def test_sections_of_different_chapters_do_not_share_a_chunk() -> None:
    reading = document((H, "# A"), (H, "## B"), (P, words(12)), (H, "## C"), (P, words(9)), (H, "# D"), (P, words(2)))
    assert [chunk.heading for chunk in chunks(reading)] == [("A",), ("A", "C"), ("D",)]


def test_a_heading_is_never_the_last_of_a_chunk() -> None:
    reading = document((P, words(17)), (H, "# A"), (H, "## B"), (P, words(18)), (H, "## C"), (P, words(30)))
    for chunk in chunks(reading):
        assert not chunk.text.split("\n")[-1].startswith("#")


def test_a_heading_without_text_stays_with_the_heading_below_it() -> None:
    reading = document((H, "# Empty"), (H, "# Full"), (P, words(5)))
    assert [chunk.text.split("\n\n")[:2] for chunk in chunks(reading)] == [["# Empty", "# Full"]]


def test_a_long_paragraph_is_split_between_sentences() -> None:
    sentences = [f"Sentence {number} has exactly seven words here." for number in range(12)]
    found = chunks(document((P, " ".join(sentences))))
    assert [sentence for chunk in found for sentence in chunk.text.split(". ")]
    assert all(chunk.text.startswith("Sentence") and chunk.text.endswith("here.") for chunk in found)
    assert [len(chunk.text.split()) for chunk in found] == [14] * 6


def test_a_paragraph_that_fits_a_chunk_is_not_split_when_the_one_before_is_full_enough() -> None:
    found = chunks(document((P, words(12, "one")), (P, f"{words(6, 'two')} {words(6, 'two')}")))
    assert [chunk.text.split()[0] for chunk in found] == ["one", "two"]


def test_a_table_stays_whole_where_it_fits_a_chunk_of_its_own() -> None:
    table = "| a | b |\n| 1 | 2 |\n| 3 | 4 |"
    found = chunks(document((P, words(8)), (T, table)))
    assert [chunk.text for chunk in found] == [words(8), table]


def test_a_long_table_is_split_by_rows_with_its_header_as_context() -> None:
    rows = [f"| row {number} | {number} |" for number in range(10)]
    found = chunks(document((H, "# Prices"), (T, "\n".join(["| name | price |", *rows])), title="Book"), 32)
    assert "\n".join(chunk.text for chunk in found) == "# Prices\n\n" + "\n".join(["| name | price |", *rows])
    assert found[0].context == "Book"
    assert {chunk.context for chunk in found[1:]} == {"Book > Prices\n| name | price |"}


def test_a_table_header_is_not_left_without_a_row() -> None:
    rows = [f"| row {number} | {number} |" for number in range(10)]
    for before in range(1, 20):
        found = chunks(document((P, words(before)), (T, "\n".join(["| name | price |", "| - | - |", *rows]))), 22)
        assert all(not chunk.text.endswith(("| name | price |", "| - | - |")) for chunk in found)


def test_a_listing_stays_whole_if_it_fits_and_is_split_at_lines_otherwise() -> None:
    short = "def f():\n    return 1\n\nprint(f())"
    assert chunks(document((P, words(17)), (C, short)))[1].text == short
    lines = [f"    line number {number}" for number in range(20)]
    found = chunks(document((C, "\n".join(lines))))
    assert [line.strip() for chunk in found for line in chunk.text.split("\n")] == [line.strip() for line in lines]


def test_the_context_is_the_title_and_the_headings_above() -> None:
    reading = document((H, "# A"), (H, "## B"), (P, f"{words(14)} {words(14)}"), title="The Book")
    assert [chunk.context for chunk in chunks(reading, 32)] == ["The Book", "The Book > A > B"]


def test_context_that_the_text_itself_begins_with_is_left_out() -> None:
    assert chunks(document((P, "The book is here."), title="The Book"))[0].context == ""
    assert chunks(document((H, "# Intro"), (P, "x"), title="Intro"))[0].context == ""


def test_a_long_context_gives_up_its_middle_and_then_its_length() -> None:
    reading = document((H, "# one two"), (H, "## three four"), (H, "### five six"), (P, words(60)), title="Book")
    assert chunks(reading, 24)[1].context == "Book > five six"
    endless = document((P, words(60)), title=words(500, "title"))
    assert len(chunks(endless)[0].context.split()) == 5


def test_the_page_is_that_of_the_first_block() -> None:
    reading = document((P, words(4), 1), (P, words(4), 2), (P, words(14), 3))
    assert [chunk.page for chunk in chunks(reading)] == [1, 3]


def test_a_chunk_knows_where_it_turns_to_another_page_or_heading() -> None:
    reading = document((P, words(4), 1), (P, words(4), 2), (P, words(4), 2))
    (chunk,) = chunks(reading)
    second = reading.blocks[1]
    assert [(turn.start, turn.page) for turn in chunk.turns] == [(second.start, 2)]
    for block in reading.blocks:
        passed = [turn for turn in chunk.turns if turn.start <= block.start]
        assert (passed[-1].page if passed else chunk.page) == block.page


def test_a_word_longer_than_a_chunk_is_cut_by_characters() -> None:
    found = list(split(document((P, "x" * 1_000)), Characters(), 20))
    assert "".join(chunk.text for chunk in found) == "x" * 1_000
    assert all(len(chunk.text) <= 20 for chunk in found)


def test_a_word_that_counts_little_does_not_make_a_huge_chunk() -> None:
    found = chunks(document((P, "x" * 100_000)))
    assert max(len(chunk.text) for chunk in found) <= 20 * 12


def test_blanks_between_blocks_do_not_make_a_huge_chunk() -> None:
    text = "one" + " " * 100_000 + "two"
    reading = Reading(text, (Block(P, 0, 3), Block(P, len(text) - 3, len(text))), "text/plain")
    assert [chunk.text for chunk in chunks(reading)] == ["one", "two"]


def test_text_between_blocks_counts_where_a_chunk_spans_it() -> None:
    text = "one two three " + "left out " * 8 + "four five six"
    reading = Reading(text, (Block(P, 0, 13), Block(P, len(text) - 13, len(text))), "text/plain")
    assert [chunk.text for chunk in chunks(reading)] == ["one two three", "four five six"]
    assert [chunk.text for chunk in chunks(reading, 40)] == [text]


def test_a_size_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match=str(SMALLEST_SIZE)):
        list(split(document((P, "x")), Words(), SMALLEST_SIZE - 1))


def sentences(count: int, length: int = 4) -> str:
    return " ".join(" ".join([f"S{number}"] * (length - 1) + ["end."]) for number in range(count))


def numbers(chunk: Chunk) -> list[int]:
    """Which of the `sentences` a chunk holds, each once."""
    return sorted({int(word[1:]) for word in chunk.text.split() if word[1:].isdigit()})


def test_a_chunk_begins_with_the_whole_sentences_at_the_former_ones_end_that_fit_the_overlap() -> None:
    found = chunks(document((P, sentences(13))), overlap=10)
    assert [numbers(chunk) for chunk in found] == [
        [0, 1, 2, 3, 4],
        [3, 4, 5, 6, 7],
        [6, 7, 8, 9, 10],
        [9, 10, 11, 12],
    ]
    assert [chunk.ordinal for chunk in found] == [0, 1, 2, 3]


def test_an_overlap_in_which_no_sentence_fits_repeats_nothing() -> None:
    reading = document((P, sentences(13)))
    assert chunks(reading, overlap=3) == chunks(reading)


def test_an_overlap_goes_on_from_paragraph_to_paragraph_and_from_page_to_page() -> None:
    found = chunks(document(*((P, sentences(2, 5), page) for page in range(1, 7))), overlap=5)
    assert [chunk.page for chunk in found] == [1, 2, 3, 4, 5]
    assert [chunk.turns[-1].page for chunk in found] == [2, 3, 4, 5, 6]
    assert all(other.text.split("\n")[0] == "S1 S1 S1 S1 end." for _, other in pairwise(found))


def test_rows_are_repeated_under_their_header_as_context() -> None:
    rows = [f"| row {number} |" for number in range(12)]
    found = chunks(document((T, "\n".join(["| name |", *rows]))), 32, 8)
    assert all(chunk.context == "| name |" for chunk in found[1:])
    for one, other in pairwise(found):
        assert one.text.split("\n")[-2:] == other.text.split("\n")[:2]


def test_sections_that_do_not_share_a_chunk_do_not_overlap() -> None:
    reading = document((H, "# A"), (P, sentences(8)), (H, "# B"), (P, sentences(8)))
    found = chunks(reading, overlap=8)
    assert [chunk.heading for chunk in found] == [("A",)] * 3 + [("B",)] * 3
    assert [one.end > other.start for one, other in pairwise(found)] == [True, True, False, True, True]


def test_sections_under_the_same_heading_may_overlap_and_the_chunk_knows_where_it_turns() -> None:
    reading = document((H, "# A"), (H, "## B"), (P, sentences(4)), (H, "## C"), (P, sentences(4)))
    found = chunks(reading, 22, overlap=10)
    assert [chunk.text.split("\n")[0] for chunk in found] == ["# A", "S2 S2 S2 end. S3 S3 S3 end.", "## C"]
    assert found[1].heading == ("A", "B")
    assert [turn.heading for turn in found[1].turns] == [("A", "C")]


def test_less_is_repeated_where_what_is_new_needs_the_room() -> None:
    title = "One two three four five"
    short = chunks(document((P, f"{sentences(3, 5)} {words(10, 'Long')}"), title=title), overlap=10)
    assert [chunk.text.split()[0] for chunk in short] == ["S0", "S2"]
    long = chunks(document((P, f"{sentences(2, 9)} {words(10, 'Long')}"), title=title), overlap=10)
    assert [chunk.text.split()[0] for chunk in long] == ["S0", "S1", "Long"]


def test_a_short_chunk_is_not_repeated_whole() -> None:
    reading = document((H, "# A"), (H, "## B"), (P, words(3)), (H, "## C"), (P, words(18)))
    for one, other in pairwise(chunks(reading, 22, overlap=11)):
        assert one.start < other.start


@pytest.mark.parametrize(("size", "overlap"), [(20, 11), (21, 11), (20, -1)])
def test_an_overlap_above_half_of_the_size_is_refused(size: int, overlap: int) -> None:
    with pytest.raises(ValueError, match=f"0 to 10, not {overlap}"):
        list(split(document((P, "x")), Words(), size, overlap))


def test_without_overlap_the_chunks_are_those_of_this_version_of_the_splitter() -> None:
    # Another output needs another version: only then are the files of a store read again.
    table = "\n".join(["| name | price |", "| - | - |", *(f"| row {number} | {number} |" for number in range(40))])
    listing = "\n".join(f"    line number {number}" for number in range(40))
    reading = document(
        *((P, f"{words(number % 23 + 1)} {words(number % 7 + 1)}", number) for number in range(40)),
        *((H, f"{'#' * (number % 3 + 1)} Title {number}") for number in range(4)),
        (P, "x" * 500),
        (T, table),
        (H, "## Listing"),
        (C, listing),
        *(part for number in range(9) for part in ((H, f"### Part {number}"), (L, f"- {words(number * 3 + 1)}"))),
        title="Some Title",
    )
    found = [
        (chunk.start, chunk.end, chunk.context, chunk.heading, chunk.turns)
        for tokenizer in (Words(), Characters())
        for size in (16, 20, 60, 200)
        for chunk in split(reading, tokenizer, size)
    ]
    assert {SPLITTER_VERSION: hashlib.sha256(repr(found).encode()).hexdigest()[:16]} == {"1": "e4eafc5321c377cf"}


def test_chunks_come_one_by_one_and_the_tokenizer_sees_little_at_once() -> None:
    reading = document(*((P, f"{words(30)} {words(20)}") for _ in range(3_000)))
    tokenizer = Words()
    chunk = next(split(reading, tokenizer))
    assert chunk.ordinal == 0
    first_call = tokenizer.largest_call
    list(split(reading, tokenizer))
    assert first_call <= tokenizer.largest_call < len(reading.text) / 4


@pytest.mark.parametrize("overlap", [0, 100])
@pytest.mark.parametrize("unit", ["word ", "A short sentence. ", "x", ".\n", "| a | b |\n", "東"], ids=repr)
@pytest.mark.parametrize("kind", [P, T, C])
def test_one_huge_block_is_split_in_linear_time(kind: BlockKind, unit: str, overlap: int) -> None:
    reading = document((kind, unit * (200_000 // len(unit))))
    start = time.process_time()
    assert sum(1 for _ in split(reading, Words(), 200, overlap)) >= 80
    assert time.process_time() - start < 20  # takes a second; a square of the length would be minutes


@pytest.mark.parametrize("kind", [P, T, C])
def test_a_huge_block_takes_little_memory_beside_its_text(kind: BlockKind) -> None:
    reading = document((kind, "A row\n" + "of some words. " * 40_000))
    tracemalloc.start()
    try:
        assert sum(1 for _ in split(reading, Words(), 200)) > 400
        assert tracemalloc.get_traced_memory()[1] < 2 * len(reading.text)
    finally:
        tracemalloc.stop()


texts = st.text(st.sampled_from(list("ab.? \n|é東")), max_size=150)
readings = st.builds(
    lambda parts, title: document(*parts, title=title),
    st.lists(
        st.one_of(
            st.tuples(
                st.just(H), st.builds("{} {}".format, st.sampled_from(["#", "##", "###"]), st.sampled_from("ABC"))
            ),
            st.tuples(st.sampled_from([P, L, T, C]), texts),
        ),
        max_size=14,
    ),
    st.sampled_from(["", "A", "Some Title", "a b c d e f g h i j"]),
)


@given(readings, st.integers(SMALLEST_SIZE, 60))
def test_chunks_are_verbatim_in_order_and_without_overlap(reading: Reading, size: int) -> None:
    found = chunks(reading, size)
    assert [chunk.ordinal for chunk in found] == list(range(len(found)))
    assert all(chunk.text == reading.text[chunk.start : chunk.end] for chunk in found)
    assert all(one.end <= other.start for one, other in pairwise(found))


@given(readings, st.integers(SMALLEST_SIZE, 60))
def test_chunks_hold_every_character_of_every_block(reading: Reading, size: int) -> None:
    together = "".join(reading.text[block.start : block.end] for block in reading.blocks)
    assert "".join("".join(chunk.text.split()) for chunk in chunks(reading, size)) == "".join(together.split())


@given(readings, st.integers(SMALLEST_SIZE, 60))
def test_no_chunk_exceeds_the_size_with_its_context(reading: Reading, size: int) -> None:
    for tokenizer in (Words(), Characters()):
        for chunk in split(reading, tokenizer, size):
            assert chunk.text.strip()
            assert tokenizer.count([chunk.searchable])[0] <= size + 2  # the marks between the parts of a path


sizes_and_overlaps = st.integers(SMALLEST_SIZE, 60).flatmap(
    lambda size: st.tuples(st.just(size), st.integers(0, size // 2))
)


@given(readings, sizes_and_overlaps)
def test_overlapping_chunks_are_verbatim_and_each_adds_something(reading: Reading, sizes: tuple[int, int]) -> None:
    found = chunks(reading, *sizes)
    assert [chunk.ordinal for chunk in found] == list(range(len(found)))
    assert all(chunk.text == reading.text[chunk.start : chunk.end] for chunk in found)
    for one, other in pairwise(found):
        assert one.start < other.start
        assert one.end < other.end
        assert reading.text[max(one.end, other.start) : other.end].strip()


@given(readings, sizes_and_overlaps)
def test_overlapping_chunks_hold_every_character_of_every_block(reading: Reading, sizes: tuple[int, int]) -> None:
    found, reached, together = chunks(reading, *sizes), 0, ""
    for chunk in found:
        together += reading.text[max(reached, chunk.start) : chunk.end]
        reached = chunk.end
    blocks = "".join(reading.text[block.start : block.end] for block in reading.blocks)
    assert "".join(together.split()) == "".join(blocks.split())


@given(readings, sizes_and_overlaps)
def test_no_overlapping_chunk_exceeds_the_size_and_no_overlap_exceeds_its_limit(
    reading: Reading, sizes: tuple[int, int]
) -> None:
    size, overlap = sizes
    for tokenizer in (Words(), Characters()):
        found = list(split(reading, tokenizer, size, overlap))
        assert all(tokenizer.count([chunk.searchable])[0] <= size + 2 for chunk in found)
        for one, other in pairwise(found):
            repeated = reading.text[other.start : one.end]
            assert tokenizer.count([repeated])[0] <= overlap
            assert len(repeated) // WIDEST_TOKEN <= overlap


@given(readings, st.integers(SMALLEST_SIZE, 60))
def test_an_overlapping_chunk_knows_the_heading_of_each_of_its_blocks(reading: Reading, size: int) -> None:
    for chunk in chunks(reading, size, size // 2):
        for block in reading.blocks:
            place = max(block.start, chunk.start)
            if place < min(block.end, chunk.end) and reading.text[place : min(block.end, chunk.end)].strip():
                passed = [turn for turn in chunk.turns if turn.start <= min(block.end, chunk.end) - 1]
                assert (passed[-1].heading if passed else chunk.heading) == block.heading
