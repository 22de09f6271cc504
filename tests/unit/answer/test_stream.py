from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragstone.answer.marks import Cleaner, Mark
from ragstone.answer.stream import Curtain, Refusal, Sentence, Transcript


def cut(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def read(text: str, size: int = 3) -> list[str | Sentence | Refusal]:
    transcript = Transcript()
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
    "| a |", "- ", "3.14", "U.S.", '"', "。", "](#p)", '<passage id="1">', "?", "…", " (passage 2)",
)  # fmt: skip


@given(st.lists(st.sampled_from(PARTS), max_size=25), st.integers(1, 9))
def test_the_words_add_up_to_the_sentences_however_they_are_cut(parts: list[str], size: int) -> None:
    text = "".join(parts)
    shown = ""
    for part in read(text, size):
        if isinstance(part, str):
            shown += part
        elif isinstance(part, Sentence):
            assert shown == part.text
            shown = ""
    assert shown == ""


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


@pytest.mark.parametrize("size", [1, 6, 100])
@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("I think.\n**Answer:** Yes.", "Yes."),
        ("No answer: none.\nANSWER: Yes.\nANSWER: no", "Yes.\nANSWER: no"),
        ("Plain words.", "Plain words."),
        ("I think so. ANSWER: Yes.", "Yes."),
    ],
)
def test_a_curtain_hides_what_comes_before_its_words(said: str, seen: str, size: int) -> None:
    curtain = Curtain("ANSWER:")
    assert ("".join(map(curtain.feed, cut(said, size))) + curtain.end()).strip() == seen
