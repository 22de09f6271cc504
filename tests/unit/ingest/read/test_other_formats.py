"""OpenDocument and EPUB."""

from __future__ import annotations

from pathlib import Path

import pytest
from sample_files import epub, odf, zipped

from ragstone.domain import Reading
from ragstone.ingest.read import read


def blocks(reading: Reading) -> list[tuple[str, str]]:
    return [(block.kind.value, reading.text[block.start : block.end]) for block in reading.blocks]


CELL = "<table:table-cell><text:p>{}</text:p></table:table-cell>"
ROW = f"<table:table-row>{CELL}{CELL}</table:table-row>"


def test_an_opendocument_text_has_headings_lists_and_tables() -> None:
    table = "<table:table>" + ROW.format("a", "b") + ROW.format("1", "2") + "</table:table>"
    item = "<text:list><text:list-item><text:p>{}</text:p>{}</text:list-item></text:list>"
    items = item.format("one", item.format("two", ""))
    reading = read(
        Path("a.odt"),
        odf(
            "text",
            '<text:h text:outline-level="1">Head</text:h>'
            f'<text:p>Some<text:s text:c="2"/>words<text:line-break/>on.</text:p>{items}{table}',
        ),
    )
    assert blocks(reading) == [
        ("heading", "Head"),
        ("paragraph", "Some  words\non."),
        ("list", "- one\n  - two"),
        ("table", "| a | b |\n| --- | --- |\n| 1 | 2 |"),
    ]


def test_sheets_of_an_opendocument_workbook_are_pages() -> None:
    cell = '<table:table-cell table:number-columns-repeated="16000"/>'
    empty = f'<table:table-row table:number-rows-repeated="1048000">{cell}</table:table-row>'
    sheet = '<table:table table:name="{}">' + ROW.format("a", "b") + ROW.format("1", "2") + empty + "</table:table>"
    reading = read(Path("a.ods"), odf("spreadsheet", sheet.format("One") + sheet.format("Two")))
    assert [(block.page, block.heading) for block in reading.blocks if block.kind.value == "table"] == [
        (1, ("One",)),
        (2, ("Two",)),
    ]


def test_a_comment_is_no_part_of_its_cell_and_a_note_is_said_once() -> None:
    comment = "</text:p><office:annotation><text:p>was 7 before</text:p></office:annotation><text:p>12"
    note = "5<text:note><text:note-body><text:p>net</text:p></text:note-body></text:note>"
    rows = ROW.format("Bolt", comment) + ROW.format("Nut", note)
    reading = read(Path("a.ods"), odf("spreadsheet", f"<table:table>{ROW.format('Item', 'Price')}{rows}</table:table>"))
    lines = [" ".join(line.split()) for line in reading.text.split("\n")]
    assert lines == ["| Item | Price |", "| --- | --- |", "| Bolt | 12 |", "| Nut | 5 [net] |"]


@pytest.mark.parametrize(("said", "kept"), [("3", 3), ("1000000", 100), ("0", 1), ("\u00b2", 1), ("1" * 5000, 1)])
def test_a_row_that_stands_for_several_is_repeated_within_bounds(said: str, kept: int) -> None:
    row = ROW.format("Bolt", "5").replace("<table:table-row", f'<table:table-row table:number-rows-repeated="{said}"')
    data = odf("spreadsheet", f"<table:table>{ROW.format('Item', 'Price')}{row}</table:table>")
    assert read(Path("a.ods"), data).text.count("Bolt") == kept


BOX = "<draw:frame><draw:text-box>{}</draw:text-box></draw:frame>"


@pytest.mark.parametrize(
    "anchor",
    [
        '<text:h text:outline-level="1">Head{}</text:h>',
        "<text:list><text:list-item><text:p>Item{}</text:p></text:list-item></text:list>",
        "<text:p>Words{}</text:p>",
        f"<text:p>Words{BOX}</text:p>",
        f"<text:list><text:list-item><text:p>Item{BOX}</text:p></text:list-item></text:list>",
    ],
)
@pytest.mark.parametrize("box", [BOX, "<draw:rect>{}</draw:rect>", "<draw:g><draw:ellipse>{}</draw:ellipse></draw:g>"])
def test_what_is_written_in_a_box_is_a_paragraph_of_its_own(anchor: str, box: str) -> None:
    boxed = box.format("<text:p>The limit is 40 t.</text:p>")
    assert blocks(read(Path("a.odt"), odf("text", anchor.format(boxed))))[1:] == [("paragraph", "The limit is 40 t.")]


def test_a_rectangle_on_a_slide_is_read() -> None:
    slide = "<draw:page><draw:rect><text:p>The limit is 40 t.</text:p></draw:rect></draw:page>"
    assert read(Path("a.odp"), odf("presentation", slide)).text == "The limit is 40 t."


def test_boxes_inside_boxes_are_written_once() -> None:
    nested = "<text:p>innermost</text:p>"
    for _ in range(16):
        nested = f"<text:p>outer{BOX.format(nested)}</text:p>"
    assert read(Path("a.odt"), odf("text", nested)).text.count("innermost") == 1


def test_slides_of_an_opendocument_presentation_are_pages() -> None:
    slide = (
        '<draw:page><draw:frame presentation:class="title">'
        "<draw:text-box><text:p>{}</text:p></draw:text-box></draw:frame>"
        "<draw:frame><draw:text-box><text:p>Words</text:p></draw:text-box></draw:frame></draw:page>"
    )
    reading = read(Path("a.odp"), odf("presentation", slide.format("One") + slide.format("Two")))
    assert [(block.page, block.heading) for block in reading.blocks] == [(1, ("One",))] * 2 + [(2, ("Two",))] * 2


def test_chapters_of_a_book_come_in_reading_order() -> None:
    reading = read(Path("a.epub"), epub("<h1>One</h1><p>First.</p>", "<h1>Two</h1><p>Second.</p>"))
    assert reading.title == "A book"
    assert [body for _, body in blocks(reading)] == ["One", "First.", "Two", "Second."]


def test_a_missing_chapter_is_left_out_with_a_warning() -> None:
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(epub("<p>First.</p>", "<p>Second.</p>"))) as archive:
        parts = {name: archive.read(name) for name in archive.namelist() if name != "OPS/c0.xhtml"}
    reading = read(Path("a.epub"), zipped(parts))
    assert reading.text == "Second."
    assert any("c0.xhtml" in warning for warning in reading.warnings)
