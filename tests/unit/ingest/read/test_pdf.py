"""PDF files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from sample_files import pdf, text_page

from ragstone.domain import Reading
from ragstone.errors import UnreadableFileError
from ragstone.ingest.read import Limits, read
from ragstone.ingest.read.ocr import Box, OcrMissingError, Picture
from ragstone.ingest.read.pdf import scans


def blocks(reading: Reading) -> list[tuple[str, str]]:
    return [(block.kind.value, reading.text[block.start : block.end]) for block in reading.blocks]


def opened(*pages: Any) -> Reading:
    return read(Path("a.pdf"), pdf(*pages))


PROSE = (
    "The pump has to be serviced every six months by a person who",
    "was trained for it, and the filter is replaced each time.",
)


def test_larger_lines_are_headings_and_lines_join_to_paragraphs() -> None:
    reading = opened(
        text_page(("Manual", 24), "", ("Pump", 16), "", *PROSE, "", "", "Another paragraph stands here.", *PROSE)
    )
    assert [kind for kind, _ in blocks(reading)][:3] == ["heading", "heading", "paragraph"]
    assert blocks(reading)[2][1] == " ".join(PROSE)
    assert reading.blocks[2].heading == ("Manual", "Pump")
    assert reading.title == "Manual"


def test_a_bold_line_of_its_own_is_a_heading_below_the_larger_ones() -> None:
    def draw(canvas: Canvas) -> None:
        y = 760
        for font, size, text in (
            ("Helvetica", 20, "Report"),
            ("Helvetica-Bold", 11, "Risk factors"),
            ("Helvetica", 11, PROSE[0]),
            ("Helvetica", 11, PROSE[1]),
        ):
            canvas.setFont(font, size)
            canvas.drawString(72, y, text)
            y -= 22 if text != PROSE[0] else 14

    reading = opened(draw)
    assert reading.blocks[-1].heading == ("Report", "Risk factors")


def test_pages_are_counted_from_one() -> None:
    reading = opened(text_page("First page."), text_page("Second page."))
    assert [block.page for block in reading.blocks] == [1, 2]


def test_a_sentence_that_goes_on_over_a_page_stays_one_paragraph() -> None:
    reading = opened(text_page(PROSE[0]), text_page(PROSE[1]))
    assert blocks(reading) == [("paragraph", " ".join(PROSE))]


def test_divided_words_become_whole_and_hyphened_ones_stay() -> None:
    lines = ("We describe the long-term mainte-", "nance of the pump and its long-", "term costs in this document.")
    assert "long-term maintenance of the pump and its long-term costs" in opened(text_page(*lines)).text


def test_lists_keep_their_items() -> None:
    reading = opened(
        text_page("Tools:", "", "\u2022 a hammer for the", "  nails", "\u2022 a saw", "", "1. first", "2. second")
    )
    assert ("list", "- a hammer for the nails\n- a saw\n1. first\n2. second") in blocks(reading)


def test_running_headers_and_page_numbers_are_said_once() -> None:
    def page(number: int) -> Any:
        def draw(canvas: Canvas) -> None:
            canvas.setFont("Helvetica", 9)
            canvas.drawString(72, 810, "Annual report 2023")
            canvas.drawString(300, 30, str(number))
            text_page(f"Content number {'abcdef'[number]} is here.")(canvas)

        return draw

    text = opened(*(page(number) for number in range(6))).text
    assert text.count("Annual report 2023") == 1
    assert "Content number f is here." in text
    assert "\n5" not in text


def edged(top: str, bottom: str, words: str = "Some words stand here.") -> Any:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 11)
        for y, text in ((810, top), (500, words), (30, bottom)):
            canvas.drawString(72, y, text)

    return draw


def test_edge_lines_that_differ_in_a_figure_are_kept() -> None:
    text = opened(*(edged(f"Invoice 2024-{117 + 13 * i}", f"Total: {250 + 37 * i} EUR") for i in range(5))).text
    assert all(f"Invoice 2024-{117 + 13 * i}" in text and f"Total: {250 + 37 * i} EUR" in text for i in range(5))


def test_years_that_go_on_from_page_to_page_are_kept() -> None:
    text = opened(*(edged(f"Annual report {year}", "Sales went well.") for year in range(2019, 2024))).text
    assert all(f"Annual report {year}" in text for year in range(2019, 2024))


def test_a_footer_that_counts_pages_is_said_once() -> None:
    text = opened(*(edged(f"Sales of {word}", f"Rev. 7 | {i + 3} / 12") for i, word in enumerate("abcde"))).text
    assert text.count("Rev. 7") == 1


def test_lone_page_numbers_that_begin_high_are_said_once() -> None:
    text = opened(*(edged(f"Sales of {word}", str(1023 + i)) for i, word in enumerate("abcde"))).text
    assert [str(1023 + i) in text for i in range(5)] == [True, False, False, False, False]


def test_a_lone_figure_far_from_the_pages_number_is_kept() -> None:
    assert "1500" in opened(edged("1500", "customers use our product.")).text


def statement(canvas: Canvas) -> None:
    canvas.setFont("Helvetica-Bold", 8)
    canvas.drawCentredString(360, 700, "Three Months Ended")
    for x, text in ((320, "June 2023"), (400, "June 2022")):
        canvas.drawCentredString(x - 15, 688, text)
    canvas.setFont("Helvetica", 9)
    rows = [
        ("Net sales:", "", ""),
        ("Products", "60,584", "63,355"),
        ("Total net sales", "94,836", "97,278"),
        ("Change", "(2)", "\u2014"),
    ]
    for number, (label, one, other) in enumerate(rows):
        y = 672 - 12 * number
        canvas.drawString(72, y, label)
        if one:
            canvas.drawString(270, y, "$")
            canvas.drawRightString(320, y, one)
            canvas.drawRightString(400, y, other)


def test_a_statement_without_rules_keeps_each_row_with_its_figures() -> None:
    reading = opened(statement)
    assert [kind for kind, _ in blocks(reading)] == ["table"]
    assert reading.text.split("\n") == [
        "|  | Three Months Ended June 2023 | Three Months Ended June 2022 |",
        "| --- | --- | --- |",
        "| Net sales: |  |  |",
        "| Products | $ 60,584 | 63,355 |",
        "| Total net sales | $ 94,836 | 97,278 |",
        "| Change | $ (2) | \u2014 |",
    ]


def grid(canvas: Canvas) -> None:
    canvas.setFont("Helvetica", 10)
    for number, cells in enumerate((("Part", "Interval"), ("Filter", "six months"), ("Pump", "a year"))):
        for column, text in enumerate(cells):
            canvas.drawString(80 + 150 * column, 685 - 20 * number, text)
    canvas.grid([72, 222, 372], [700, 680, 660, 640])
    canvas.drawString(72, 600, "Words below the table.")


def test_a_ruled_table_is_read_by_its_rules() -> None:
    assert blocks(opened(grid)) == [
        ("table", "| Part | Interval |\n| --- | --- |\n| Filter | six months |\n| Pump | a year |"),
        ("paragraph", "Words below the table."),
    ]


def test_a_table_on_a_turned_page_is_read_too() -> None:
    def turned(canvas: Canvas) -> None:
        canvas.setPageRotation(90)
        canvas.translate(595, 0)
        canvas.rotate(90)
        grid(canvas)

    assert "| Filter | six months |" in opened(turned).text


def test_fixed_pitch_lines_are_code() -> None:
    reading = opened(text_page(*PROSE, "", ""), text_page("for x in y:", "print(x)", font="Courier"))
    assert ("code", "for x in y:\nprint(x)") in blocks(reading)


def test_a_useful_title_of_the_metadata_is_taken_and_a_machines_is_not() -> None:
    def titled(title: str) -> Any:
        def draw(canvas: Canvas) -> None:
            canvas.setTitle(title)
            text_page(("Heading", 20), "", *PROSE)(canvas)

        return draw

    assert opened(titled("The pump manual")).title == "The pump manual"
    assert opened(titled("Microsoft Word - manual_v3.docx")).title == "Heading"
    assert opened(titled("0000320193-23-000077")).title == "Heading"


def test_pages_beyond_the_limit_are_left_out_with_a_warning() -> None:
    data = pdf(*(text_page(f"Page {word}.") for word in ("one", "two", "three")))
    reading = read(Path("a.pdf"), data, Limits(pages=2))
    assert "three" not in reading.text
    assert reading.warnings == ("only the first 2 of 3 pages were read",)


def scan(canvas: Canvas) -> None:
    from PIL import Image

    canvas.drawImage(ImageReader(Image.new("RGB", (60, 80), "white")), 0, 0, 595, 842)


def test_a_scanned_page_is_named_with_the_remedy() -> None:
    reading = opened(text_page("Words."), scan, scan, text_page("More."), scan)
    assert reading.warnings == ("pages 2-3, 5 have no text; install ragstone[ocr] and switch OCR on",)


def test_a_document_of_scans_alone_is_refused_with_the_remedy() -> None:
    with pytest.raises(UnreadableFileError, match=r"Page 1 has no text; install ragstone\[ocr\]"):
        opened(scan)


def test_an_empty_page_is_no_scan() -> None:
    assert opened(text_page("Words."), lambda _: None).warnings == ()


def recognise(picture: Picture) -> Iterator[tuple[str, Box]]:
    assert picture.dtype == np.uint8
    assert picture.shape[0] > picture.shape[1], "upright like the page"
    yield "Recognised words", (200.0, 200.0, 900.0, 233.0)
    yield "in two lines.", (200.0, 240.0, 700.0, 273.0)


def test_a_scanned_page_is_recognised_when_ocr_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "load_ocr", lambda: recognise)
    reading = read(Path("a.pdf"), pdf(scan), Limits(ocr=True))
    assert blocks(reading) == [("paragraph", "Recognised words in two lines.")]
    assert reading.warnings == ("page 1 is scanned: the text is recognised and may have errors",)


def test_ocr_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise OcrMissingError

    monkeypatch.setattr(scans, "load_ocr", missing)
    with pytest.raises(UnreadableFileError, match=r"install ragstone\[ocr\]"):
        read(Path("a.pdf"), pdf(scan, scan), Limits(ocr=True))
