"""What holds for every format, also for damaged files."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_files import ARABIC, CJK, one_of_each

from ragstone.domain import BlockKind, Reading
from ragstone.errors import UnreadableFileError
from ragstone.ingest.read import read, supported

SAMPLES = one_of_each()
DAMAGES = 25  # of each file


def check(reading: Reading) -> None:
    behind = 0
    assert "\x00" not in reading.text
    assert "\r" not in reading.text
    reading.text.encode("utf-8")
    for block in reading.blocks:
        body = reading.text[block.start : block.end]
        assert behind <= block.start < block.end <= len(reading.text)
        assert body.strip()
        assert body.split("\n")[0].strip(), "begins with a blank line"
        assert body == body.rstrip(), "ends with blanks"
        assert block.page is None or block.page >= 1
        if block.kind is BlockKind.HEADING:
            assert block.heading
        if block.kind is BlockKind.TABLE:
            assert all(line.strip().strip("> ").startswith("|") for line in body.split("\n")) or "|" in body
        if block.header:
            assert block.kind is BlockKind.TABLE
            assert body.split("\n")[0].strip() == block.header
        behind = block.end


def check_reading_or_reason(name: str, data: bytes) -> Reading | None:
    try:
        reading = read(Path(name), data)
    except UnreadableFileError as caught:
        error = caught
    else:
        check(reading)
        return reading
    assert error.why
    assert error.remedy
    assert "\n" not in str(error)
    return None


@pytest.mark.parametrize("name", SAMPLES)
def test_blocks_stand_in_order_and_cover_clean_text(name: str) -> None:
    reading = read(Path(name), SAMPLES[name])
    assert reading.blocks
    assert reading.media_type
    check(reading)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_picked_up_by_a_folder_walk(name: str) -> None:
    assert supported(Path("/any/folder") / name.upper())


@pytest.mark.parametrize("name", SAMPLES)
def test_a_damaged_file_is_read_in_part_or_refused_with_a_reason(name: str) -> None:
    chance = random.Random(name)
    for _ in range(DAMAGES):
        data = bytearray(SAMPLES[name])
        if chance.random() < 0.3:
            data = data[: chance.randrange(len(data))]
        for _ in range(chance.randrange(1, 20)):
            if data:
                data[chance.randrange(len(data))] = chance.randrange(256)
        check_reading_or_reason(name, bytes(data))


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"letter.eml", "paper.pdf", "work.ipynb", "table.csv"}))
def test_reading_twice_gives_the_same(name: str) -> None:
    assert read(Path(name), SAMPLES[name]) == read(Path(name), SAMPLES[name])


@pytest.mark.parametrize(
    "name", ["notes.txt", "notes.md", "notes.mdx", "notes.rst", "notes.adoc", "talk.vtt", "page.html"]
)
@given(text=st.text(st.characters(codec="utf-8"), max_size=300))
@settings(max_examples=60, deadline=None)
def test_any_text_keeps_the_promises(name: str, text: str) -> None:
    check_reading_or_reason(name, text.encode())


MARKUP = st.sampled_from(
    """\
# a|- b|  - c|> d|```|~~~|    e|&x & y&|&---&---&||<div>|</div>|<!-- k|-->|text|=== "t"|:::note|!!! tip|\
import a from 'b'|<Tab|/>|1. f|---|===|....|.. note::""".replace("\n", "").split("|")
).map(lambda line: line.replace("&", "|") + "\n")


@pytest.mark.parametrize("name", ["a.md", "a.mdx", "a.rst", "a.adoc"])
@given(lines=st.lists(MARKUP, max_size=30))
@settings(max_examples=150, deadline=None)
def test_any_mixture_of_markup_keeps_the_promises(name: str, lines: list[str]) -> None:
    check_reading_or_reason(name, "".join(lines).encode())


# Form feeds and their like end lines in text files, also outside of quotes.
CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\x0b\x0c\r"), max_size=20)


@given(rows=st.lists(st.lists(CELLS, min_size=1, max_size=5), min_size=1, max_size=8))
@settings(max_examples=100, deadline=None)
def test_every_row_of_a_table_stays_on_one_line(rows: list[list[str]]) -> None:
    import csv
    import io

    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    reading = check_reading_or_reason("a.csv", buffer.getvalue().encode())
    assert reading is None or reading.text.count("\n") <= len(rows)  # a header brings a line of dashes


@pytest.mark.parametrize("name", ["policy.docx", "notes.md", "page.html", "deck.pptx", "book.xlsx"])
def test_chinese_and_japanese_text_survives(name: str) -> None:
    assert CJK in read(Path(name), SAMPLES[name]).text


@pytest.mark.parametrize("name", ["policy.docx", "notes.md"])
def test_right_to_left_text_survives(name: str) -> None:
    assert ARABIC in read(Path(name), SAMPLES[name]).text
