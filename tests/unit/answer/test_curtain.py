from __future__ import annotations

import pytest

from ragstone.answer.curtain import Curtain


def cut(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def seen_of(said: str, size: int, words: str = "ANSWER:") -> str:
    curtain = Curtain(words)
    return ("".join(map(curtain.feed, cut(said, size))) + curtain.end()).strip()


@pytest.mark.parametrize("size", [1, 6, 100])
@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("I think.\n**Answer:** Yes.", "Yes."),
        ("No answer: none.\nANSWER: Yes.\nANSWER: no", "Yes.\nANSWER: no"),
        ("Plain words.", "Plain words."),
        ("I think so. ANSWER: Yes.", "Yes."),
        ("REASONING: I think so. ANSWER: Yes.", "Yes."),
        ("Reasoning helps.", "Reasoning helps."),
    ],
)
def test_a_curtain_hides_what_comes_before_its_words(said: str, seen: str, size: int) -> None:
    assert seen_of(said, size) == seen


@pytest.mark.parametrize("size", [1, 6, 100])
@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("<think>I write\nANSWER: perhaps.\n</think>\nREASONING: so.\nANSWER: Yes.", "Yes."),
        ("<Think>ANSWER: a\nANSWER: b</THINK>ANSWER: Yes.", "Yes."),
        ("<think>a <reasoning>\nANSWER: b</reasoning>\nANSWER: c</think>\nANSWER: Yes.", "Yes."),
        ("<think>REASONING: so.\nANSWER: perhaps", "<think>REASONING: so.\nANSWER: perhaps"),  # the cleaner drops it
        ("<think>ANSWER: perhaps</think>REASONING: so", ""),
    ],
)
def test_the_words_in_a_thought_between_tags_do_not_open_it(said: str, seen: str, size: int) -> None:
    assert seen_of(said, size) == seen


@pytest.mark.parametrize("size", [1, 6, 100])
@pytest.mark.parametrize("label", ["REASONING:", "**Reasoning:**", "## Reasoning\n", "\n> REASONING :"])
def test_reasoning_that_comes_to_no_answer_is_not_shown(label: str, size: int) -> None:
    assert seen_of(f"{label} Passage 1 says that", size) == ""
    assert seen_of(f"{label} Passage 1 says that.\n**Answer:**", size) == ""


def test_without_words_nothing_is_hidden() -> None:
    curtain = Curtain("")
    assert curtain.feed("REASONING: so") == "REASONING: so"
    assert curtain.end() == ""
