from __future__ import annotations

from collections.abc import Container, Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragstone.answer.marks import Cleaner, Mark
from ragstone.answer.stream import LONGEST, MOST_BLANKS, Refusal, Sentence, Transcript
from ragstone.text import sentences as segments


def cut(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def read(text: str, size: int = 3, given: Container[int] = range(1, 1000)) -> list[str | Sentence | Refusal]:
    transcript = Transcript(given)
    found = [part for piece in cut(text, size) for part in transcript.feed(piece)]
    return [*found, *transcript.end()]


def sentences(parts: Iterable[str | Sentence | Refusal]) -> list[tuple[str, set[int]]]:
    return [(part.text, set(part.cited)) for part in parts if isinstance(part, Sentence)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Water boils at 3.14 [1]. Ice melts. [2] End",
            [("Water boils at 3.14.", {1}), (" Ice melts.", {2}), (" End", set())],
        ),
        ("One.[1][2]\n\nTwo [3, 4].", [("One.", {1, 2}), ("\n\nTwo.", {3, 4})]),
        ("- a one [1]\n- two is it [2]", [("- a one", {1}), ("\n- two is it", {2})]),
        ("In the U.S. The end.", [("In the U.S.", set()), (" The end.", set())]),
        ('He said "Stop." Then left.', [('He said "Stop."', set()), (" Then left.", set())]),
        ("水は沸騰する。[1]氷は溶ける。[2]", [("水は沸騰する。", {1}), ("氷は溶ける。", {2})]),
        ("| a | b |\n| 1 | 2 | [3]", [("| a | b |", set()), ("\n| 1 | 2 |", {3})]),
        (
            "Run:\n```sh\nls. Then x[1]\n```\nDone.",
            [("Run:", set()), ("\n```sh\nls. Then x[1]\n```", set()), ("\nDone.", set())],
        ),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_sentences_come_with_the_passages_that_were_named_for_them(
    text: str, expected: list[tuple[str, set[int]]], size: int
) -> None:
    assert sentences(read(text, size)) == expected


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize(
    "text", ["INSUFFICIENT EVIDENCE", "**INSUFFICIENT EVIDENCE** so far", "insufficient evidence."]
)
def test_a_refusal_is_noticed_before_any_of_it_is_shown(text: str, size: int) -> None:
    assert read(text, size) == [Refusal()]


def test_words_that_only_begin_like_a_refusal_are_shown() -> None:
    assert sentences(read("Insufficient evidence was filed. In time.")) == [
        ("Insufficient evidence was filed.", set()),
        (" In time.", set()),
    ]


def test_a_word_is_shown_as_soon_as_it_is_certain_where_it_belongs() -> None:
    transcript = Transcript()
    assert list(transcript.feed("Water")) == ["Water"]
    assert list(transcript.feed(" boils.")) == [" boils."]
    assert list(transcript.feed(" Ic")) == []
    assert list(transcript.feed("e melts")) == [Sentence(" boils."[:0] + "Water boils.", frozenset()), " Ice melts"]


def test_a_text_without_an_end_is_cut_at_a_blank() -> None:
    found = sentences(read("word " * 400))
    assert len(found) > 1
    assert all(len(text) < 1000 for text, _ in found)


PARTS = (
    "Water", " boils", ".", " ", "\n", "[1]", "[2, 3]", "`a[1]`", "```\n", "<think>", "</think>", "I", "INSUFF", "x[",
    "| a |", "- ", "3.14", "U.S.", '"', "。", "](#p)", '<passage id="1">', "?", "…", " (passage 2)", "\n```\n", "``",
    "```sh\n", "[Passage 1, Passage 2", "]", "【1†a", "】", "(#p)", "12. ", "word " * 40, "x" * 300, " " * 70,
    "\n" * 40, " [404]", "~~~",
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.sampled_from(PARTS), max_size=20), st.integers(1, 9))
def test_the_words_add_up_to_the_same_sentences_however_they_are_cut(parts: list[str], size: int) -> None:
    text = "".join(parts)
    assert sentences(read(text, size)) == sentences(read(text, len(text) + 1))
    shown = ""
    for part in read(text, size):
        if isinstance(part, str):
            shown += part
        elif isinstance(part, Sentence):
            assert shown == part.text
            shown = ""
    assert shown == ""


LONG = [
    "Oil is old [Passage 1, Passage 2, Passage 3, Passage 4, Passage 5, Passage 6]. Next.",
    "Oil is old [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]. Next.",
    "Oil is old 【1†a-rather-long-file-name-of-a-document-that-somebody-uploaded-last-year.pdf】. Next.",
    f'Oil is <passage id="1" source="{"a" * 90}.pdf" section="{"b" * 90}">old</passage>. Next.',
]


@pytest.mark.parametrize("size", [1, 5, 1000])
@pytest.mark.parametrize("text", LONG, ids=["names", "numbers", "file", "tag"])
def test_of_long_ids_nothing_is_shown_however_they_are_cut(text: str, size: int) -> None:
    assert [said for said, _ in sentences(read(text, size))] == ["Oil is old.", " Next."]


@pytest.mark.parametrize("size", [1, 5, 1000])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Use ```pip x``` to do it. [1]\n\nThen do. [2] Done.",
            ["Use ```pip x``` to do it.", "\n\nThen do.", " Done."],
        ),
        ("Do it. ```pip x``` does it. [1] Done.", ["Do it.", " ```pip x``` does it.", " Done."]),
        ("```pip x``` does it. [1] Done.", ["```pip x``` does it.", " Done."]),
        ("Use ``a`b [1]`` now. Done.", ["Use ``a`b [1]`` now.", " Done."]),
    ],
)
def test_three_backticks_inside_a_line_are_no_block_of_code(text: str, expected: list[str], size: int) -> None:
    assert [said for said, _ in sentences(read(text, size))] == expected


@pytest.mark.parametrize("size", [1, 5, 1000])
@pytest.mark.parametrize(
    "block",
    ["\n```\na. B [1]\n```", "\n  ~~~ sh\n```\na. B [1]\n  ~~~", "\n````\n```\nB. C [1]\n````", " ```sh\nls. B\n```"],
)
def test_a_block_of_code_goes_from_its_fence_to_the_like_of_it(block: str, size: int) -> None:
    text = f"Run:{block} [2]\nDone. [3]"
    assert sentences(read(text, size)) == [("Run:", set()), (block, {2}), ("\nDone.", {3})]


@pytest.mark.parametrize("size", [1, 5, 1000])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It says [404] there. [1] Done.", [("It says [404] there.", {1}), (" Done.", set())]),
        ("It says page [404]. [1]", [("It says page [404].", {1})]),
        ("- [404] Not found. Done.", [("- [404] Not found.", set()), (" Done.", set())]),
        ("From [10, 20] on. Done.", [("From [10, 20] on.", set()), (" Done.", set())]),
        ("Oil is old. [9] Done.", [("Oil is old.", {9}), (" Done.", set())]),
        ("Oil is old [2][9]. Done.", [("Oil is old.", {2, 9}), (" Done.", set())]),
        ("Oil is old [2, 9]. Done.", [("Oil is old.", {2, 9}), (" Done.", set())]),
        ("Oil is old [passage 9]. Done.", [("Oil is old.", {9}), (" Done.", set())]),
        ("Oil is old 【9†a】. Done.", [("Oil is old.", {9}), (" Done.", set())]),
    ],
)
def test_a_number_in_brackets_is_an_id_if_there_is_such_a_passage_or_ids_stand_there(
    text: str, expected: list[tuple[str, set[int]]], size: int
) -> None:
    assert sentences(read(text, size, given={1, 2, 3})) == expected


ENDLESS = {
    "blanks": " " * 6000, "lines": "\n" * 6000, "word": "x" * 6000, "dashes": "|" + "-" * 6000,
    "stars": "*" * 6000, "dots": "." * 6000, "list": "- a\n" * 1500, "ids": "[" + "1, " * 2000, "many": "[1 " * 2000,
    "corner": "【1†" + "x" * 6000, "link": "[1](#" + "x" * 6000, "ticks": "`" * 6000, "tick": "`" + "x" * 6000,
    "tag": "<passage " + "x" * 6000, "name": "(passage" + " " * 6000, "code": "```\n" + "x = 1. # One\n" * 500,
    "line of code": "```\n" + "x " * 3000, "fence": "```" + "x" * 6000, "blanks in code": "```\n" + " " * 6000 + "x",
    "refusal": "INSUFFICIENT " * 500,
}  # fmt: skip


@pytest.mark.parametrize("text", ENDLESS.values(), ids=ENDLESS.keys())
def test_what_is_held_back_does_not_grow_with_what_was_said(text: str) -> None:
    cleaner = Cleaner()
    given, most = 0, 0
    for place, piece in enumerate(cut(text, 4)):
        given += sum(len(part) for part in cleaner.feed(piece) if isinstance(part, str))
        most = max(most, 4 * (place + 1) - given)
    assert most < 700


@pytest.mark.parametrize("text", ENDLESS.values(), ids=ENDLESS.keys())
def test_no_piece_has_more_than_a_sentence_read_again(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    most = 0

    def counted(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        nonlocal most
        most = max(most, end - start)
        yield from each(text, start, end)

    each = segments.each
    monkeypatch.setattr(segments, "each", counted)
    found = sentences(read(text, 4))
    assert most <= segments.LONGEST
    assert text.startswith("```") or all(len(said) <= LONGEST + MOST_BLANKS for said, _ in found)


def test_a_hundred_thousand_blanks_before_what_is_no_id_are_read_once() -> None:
    assert sentences(read("Oil." + " " * 100_000 + "[x]", 200_000)) == [
        ("Oil.", set()),
        (" " * MOST_BLANKS + "[x]", set()),
    ]


@pytest.mark.parametrize("size", [1, 4, 200])
@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("a <think>b [1] c</think>d", "a d"),
        ("<think>never closed", ""),
        ("interval [0, 1] and [Note] and a < b", "interval [0, 1] and [Note] and a < b"),
        ("According to [1], ice floats", "According to the passage, ice floats"),
        ('as <passage id="2">said</passage>.', "as said."),
        ("see [1](#passage-1) now", "see the passage now"),
        ("years [1900-1999]", "years [1900-1999]"),
        ("`a[1]` and ```b[2]```", "`a[1]` and ```b[2]```"),
    ],
)
def test_marks_and_thoughts_are_taken_out_and_nothing_else(said: str, seen: str, size: int) -> None:
    cleaner = Cleaner()
    parts = [part for piece in cut(said, size) for part in cleaner.feed(piece)] + list(cleaner.end())
    assert "".join(part for part in parts if isinstance(part, str)) == seen


@pytest.mark.parametrize(
    ("mark", "ids"),
    [("[1]", {1}), ("[1-3]", {1, 2, 3}), ("[2; 5]", {2, 5}), ("[Source 4]", {4}), ("【3†a.md】", {3}), ("[^2]", {2})],
)
def test_a_mark_names_its_passages(mark: str, ids: set[int]) -> None:
    cleaner = Cleaner()
    parts = [*cleaner.feed(f"Ice floats {mark}"), *cleaner.end()]
    assert [part.ids for part in parts if isinstance(part, Mark)] == [ids]
