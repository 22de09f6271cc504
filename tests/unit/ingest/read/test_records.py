"""CSV, JSON, JSON lines and notebooks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sample_files import notebook

from ragstone.domain import Reading
from ragstone.ingest.read import read


def blocks(reading: Reading) -> list[tuple[str, str]]:
    return [(block.kind.value, reading.text[block.start : block.end]) for block in reading.blocks]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter: str) -> None:
    rows = [["city", "limit, CHF", "note"], ["Bern", "180", "a; b"], ["Basel", "170", ""]]
    text = "\n".join(delimiter.join(f'"{cell}"' if not cell.isalnum() else cell for cell in row) for row in rows)
    reading = read(Path("a.csv"), text.encode())
    assert reading.text.split("\n")[0] == "| city | limit, CHF | note |"
    assert reading.blocks[0].header == "| city | limit, CHF | note |"


def test_a_table_of_figures_has_no_header() -> None:
    assert read(Path("a.csv"), b"1,2\n3,4\n").blocks[0].header == ""


def test_a_first_row_of_years_above_words_is_a_header() -> None:
    assert read(Path("a.csv"), b"2022,2023\nlow,high\n").blocks[0].header == "| 2022 | 2023 |"


def test_uneven_rows_quoted_line_breaks_and_empty_columns_are_tamed() -> None:
    reading = read(Path("a.csv"), b'a,,b\n"two\nlines",,3\n4\n,,\n5,,6,7\n')
    assert reading.text.split("\n") == [
        "| a | b |  |",
        "| --- | --- | --- |",
        "| two lines | 3 |  |",
        "| 4 |  |  |",
        "| 5 | 6 | 7 |",
    ]


def test_a_tab_separated_file_is_cut_at_tabs_even_with_more_commas() -> None:
    assert read(Path("a.tsv"), b"x, y, z\tb\n1, 2, 3\t4\n").text.startswith("| x, y, z | b |")


def test_an_array_of_flat_objects_becomes_a_table() -> None:
    reading = read(
        Path("a.json"), b'[{"city": "Bern", "limit": 180.50}, {"city": "Basel", "open": true, "note": null}]'
    )
    assert blocks(reading) == [
        ("table", "| city | limit | open |\n| --- | --- | --- |\n| Bern | 180.50 |  |\n| Basel |  | true |")
    ]


def test_nested_objects_become_lines_with_their_path() -> None:
    reading = read(
        Path("a.json"), b'{"name": "x", "server": {"port": 80, "tls": {"on": false}}, "tags": ["a", "b"], "none": null}'
    )
    assert blocks(reading) == [
        ("paragraph", "name: x"),
        ("paragraph", "server.port: 80\nserver.tls.on: false"),
        ("paragraph", "tags: a, b"),
    ]


def test_an_array_of_records_inside_an_object_stands_below_its_path() -> None:
    reading = read(Path("a.json"), b'{"v": 1, "rows": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]}')
    assert blocks(reading)[1:] == [("heading", "rows"), ("table", "| x | y |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |")]
    assert reading.blocks[-1].heading == ("rows",)


def test_figures_stay_as_they_are_written() -> None:
    digits = "1" * 6000
    assert digits in read(Path("a.json"), f'{{"n": {digits}, "f": 1.10}}'.encode()).text
    assert "f: 1.10" in read(Path("a.json"), b'{"f": 1.10}').text


def test_a_record_a_line_is_a_block_with_title_and_text_first() -> None:
    records = [{"id": "7", "text": "Words\nand more.", "title": "One"}, {"question": "Why?", "answer": "So."}]
    reading = read(Path("a.jsonl"), "\n\n".join(map(json.dumps, records)).encode())
    assert blocks(reading) == [("paragraph", "One\nWords\nand more.\nid: 7"), ("paragraph", "Why?\nSo.")]


def test_lines_that_are_no_json_are_left_out_with_a_warning() -> None:
    reading = read(Path("a.ndjson"), b'{"text": "good"}\n{bad\n\n{"text": "fine"}\nworse')
    assert reading.text == "good\n\nfine"
    assert reading.warnings == ("2 lines are no valid JSON and were left out: 2, 5",)


def test_json_lines_under_the_name_json_are_read() -> None:
    assert read(Path("a.json"), b'{"text": "one"}\n{"text": "two"}\n').text == "one\n\ntwo"


def test_lone_surrogates_cannot_reach_the_database() -> None:
    read(Path("a.json"), b'{"a": "x\\ud800y\\u0000z"}').text.encode("utf-8")


def test_a_notebook_is_read_as_one_text_with_headings_over_its_cells() -> None:
    reading = read(Path("a.ipynb"), notebook(("markdown", "# Study"), ("code", "a = '```'"), ("markdown", "Words.")))
    assert [kind for kind, _ in blocks(reading)] == ["heading", "code", "paragraph"]
    assert reading.blocks[-1].heading == ("Study",)


def test_outputs_of_a_notebook_are_read_when_they_are_short() -> None:
    cells = [
        {
            "cell_type": "code",
            "source": "f()",
            "outputs": [{"text": ["42 apples"]}, {"data": {"text/plain": "y" * 9999}}],
        }
    ]
    text = read(Path("a.ipynb"), json.dumps({"cells": cells}).encode()).text
    assert "42 apples" in text
    assert "yyy" not in text
