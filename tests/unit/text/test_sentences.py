from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragstone.text.sentences import LONGEST, spans

PROSE = st.text(st.sampled_from(list("aB1.?!… \n\t|#-*'\")]。।٫\u3000é\u0301")), max_size=400)


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in spans(text)]


@pytest.mark.parametrize(
    "expected",
    [
        ["One is here.", "Two is there!", "Is three?", "Yes…", "Four"],
        ["See e.g. KServe, i.e. the server, vs. Knative.", "Next."],
        ["Fig. 2 and No. 7 of vol. 3 show pp. 12.", "The rest follows."],
        ["Version v0.19.1 came out.", "It has 3.14 parts."],
        ["The U.S. economy grew.", "Dr. J. R. Smith said so."],
        ["It grew in the U.S.", "The president spoke."],
        ["Visit https://kserve.io/a.b?c=d.e now.", "Or mail a.b@c.de."],
        ['He said "No."', "She left.[12]", "(They stayed.)", "End"],
        ["approx. five apples", "Yes."],
        ["1. The first step is short.", "It is done."],
    ],
    ids=lambda expected: expected[0][:24],
)
def test_a_mark_ends_a_sentence_unless_it_belongs_to_a_word(expected: list[str]) -> None:
    joined = " ".join(expected) if expected[0] != "approx. five apples" else "\n\n".join(expected)
    assert sentences(joined) == expected


def test_full_stops_of_other_scripts_need_no_blank() -> None:
    assert sentences("東京に住む。彼は「はい。」と言った！終") == ["東京に住む。", "彼は「はい。」", "と言った！", "終"]
    assert sentences("यह एक है। यह दो है।") == ["यह एक है।", "यह दो है।"]


def test_a_line_break_ends_no_sentence_but_an_empty_line_does() -> None:
    assert sentences("One sentence\nover two lines\n \nanother") == ["One sentence\nover two lines", "another"]
    assert sentences("windows\r\nlines\r\n\r\nend") == ["windows\r\nlines", "end"]


def test_bullets_rows_and_headings_are_sentences_of_their_own() -> None:
    text = "# Title\nIntro\n- one\n- two\n  goes on\n2. three\n| a | b |\n| 1 | 2 |\nEnd"
    assert sentences(text) == [
        *("# Title", "Intro", "- one", "- two\n  goes on", "2. three", "| a | b |", "| 1 | 2 |", "End"),
    ]


def test_a_long_sentence_is_cut_at_blanks() -> None:
    found = sentences("word " * 1_000)
    assert all(set(piece.split()) == {"word"} for piece in found)
    assert sum(len(piece.split()) for piece in found) == 1_000
    assert len(found) <= 10


def test_a_word_without_end_is_cut_where_it_must() -> None:
    assert [len(piece) for piece in sentences("x" * 1_300)] == [LONGEST, LONGEST, 100]


@given(PROSE | st.text())
def test_spans_hold_all_that_is_not_blank_in_order(text: str) -> None:
    found = spans(text)
    assert "".join(text[start:end] for start, end in found).split() or not text.strip()
    assert "".join("".join(text[start:end].split()) for start, end in found) == "".join(text.split())
    assert all(one[1] <= other[0] for one, other in pairwise(found))


@given(PROSE)
def test_no_span_is_empty_too_long_or_bordered_by_blanks(text: str) -> None:
    for start, end in spans(text * 3):
        piece = (text * 3)[start:end]
        assert 0 < len(piece) <= LONGEST
        assert piece == piece.strip()


@pytest.mark.parametrize(
    "unit",
    [".", ". ", "x", "word ", "\n", " ", "\n ", '."', ".[1", "a.", ".\n", "- ", "1.", "。", "(", "\u3000"],
    ids=repr,
)
def test_the_time_grows_with_the_text_and_not_with_its_square(unit: str) -> None:
    text = "a" + unit * (400_000 // len(unit))
    start = time.process_time()
    spans(text + " " * 100_000)
    # Takes 0.01 to 0.7 s; a square of the length would be minutes.
    assert time.process_time() - start < 5
