"""Word, PowerPoint and Excel files."""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from sample_files import docx, pptx, saved, with_part, xlsx

from ragstone.domain import Reading
from ragstone.ingest.read import read


def blocks(reading: Reading) -> list[tuple[str, str]]:
    return [(block.kind.value, reading.text[block.start : block.end]) for block in reading.blocks]


def word(fill: Any) -> Reading:
    return read(Path("a.docx"), docx(fill))


def body(xml: str) -> Reading:
    """A Word document whose body is written by hand."""
    data = docx(lambda _: None)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        part = archive.read("word/document.xml").decode()
    start, end = part.index("<w:body>") + 8, part.index("</w:body>")
    return read(Path("a.docx"), with_part(data, "word/document.xml", (part[:start] + xml + part[end:]).encode()))


def test_a_word_document_has_headings_lists_and_tables() -> None:
    def fill(document: Any) -> None:
        document.add_heading("Manual", 0)
        document.add_heading("Pump", 1)
        document.add_paragraph("Service it.")
        for style in ("List Bullet", "List Bullet", "List Bullet 2"):
            document.add_paragraph("item", style=style)
        table = document.add_table(2, 2)
        for cell, text in zip(table._cells, ("Part", "Months", "Filter", "6"), strict=True):
            cell.text = text

    reading = word(fill)
    assert blocks(reading) == [
        ("heading", "Manual"),
        ("heading", "Pump"),
        ("paragraph", "Service it."),
        ("list", "- item\n- item\n- item"),
        ("table", "| Part | Months |\n| --- | --- |\n| Filter | 6 |"),
    ]
    assert reading.blocks[2].heading == ("Manual", "Pump")
    assert reading.blocks[-1].header == "| Part | Months |"
    assert reading.blocks[-1].page is None


def test_the_title_comes_from_the_properties() -> None:
    def fill(document: Any) -> None:
        document.core_properties.title = "The manual"
        document.add_heading("Pump", 1)

    assert word(fill).title == "The manual"


def test_an_outline_level_makes_a_heading_whatever_the_style_is_called() -> None:
    run = "<w:r><w:t>{}</w:t></w:r>"
    outline = '<w:pPr><w:outlineLvl w:val="1"/></w:pPr>'
    reading = body(f"<w:p>{outline}{run.format('Teil')}</w:p><w:p>{run.format('x')}</w:p>")
    assert blocks(reading) == [("heading", "Teil"), ("paragraph", "x")]


def test_a_style_based_on_a_heading_is_a_heading() -> None:
    def fill(document: Any) -> None:
        style = document.styles.add_style("Kapitel", 1)
        style.base_style = document.styles["Heading 2"]
        document.add_paragraph("Eins", style="Kapitel")

    assert blocks(word(fill)) == [("heading", "Eins")]


def test_numbered_lists_count() -> None:
    reading = word(lambda document: [document.add_paragraph(text, style="List Number") for text in ("a", "b", "c")])
    assert reading.text == "1. a\n2. b\n3. c"


def test_merged_cells_are_said_in_each_row_and_nested_tables_inside_their_cell() -> None:
    def fill(document: Any) -> None:
        table = document.add_table(3, 2)
        table.cell(0, 0).text, table.cell(0, 1).text = "Year", "Sales"
        table.cell(1, 0).merge(table.cell(2, 0)).text = "2023"
        table.cell(1, 1).text = "1"
        inner = table.cell(2, 1).add_table(1, 2)
        inner.cell(0, 0).text, inner.cell(0, 1).text = "in", "side"

    assert word(fill).text.split("\n")[2:] == ["| 2023 | 1 |", "| 2023 | in side |"]


def test_deleted_text_is_gone_and_inserted_text_is_there() -> None:
    run = "<w:r><w:{0}>{1}</w:{0}></w:r>"
    reading = body(
        f"<w:p><w:del>{run.format('delText', 'old')}</w:del><w:ins>{run.format('t', 'new')}</w:ins>"
        "<w:r><w:tab/><w:t>x</w:t><w:br/><w:t>y</w:t><w:noBreakHyphen/></w:r></w:p>"
    )
    assert reading.text == "new\tx\ny-"


def test_a_text_box_is_read_once() -> None:
    box = "<w:txbxContent><w:p><w:r><w:t>Boxed</w:t></w:r></w:p></w:txbxContent>"
    compatibility = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    reading = body(
        f"<w:p><w:r><w:t>Anchor</w:t><mc:AlternateContent {compatibility}><mc:Choice>{box}</mc:Choice>"
        f"<mc:Fallback>{box}</mc:Fallback></mc:AlternateContent></w:r></w:p>"
    )
    assert reading.text == "Anchor\n\nBoxed"


def test_a_formula_is_written_in_a_line() -> None:
    math = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
    letter = "<m:r><m:t>{}</m:t></m:r>"
    fraction = f"<m:f><m:num>{letter.format('a+b')}</m:num><m:den>{letter.format('2')}</m:den></m:f>"
    power = f"<m:sSup><m:e>{letter.format('x')}</m:e><m:sup>{letter.format('2')}</m:sup></m:sSup>"
    assert body(f"<w:p><m:oMath {math}>{power}{letter.format('=')}{fraction}</m:oMath></w:p>").text == "x^2=(a+b)/2"


def test_a_strict_document_is_read_like_any_other() -> None:
    data = docx(lambda document: document.add_heading("Strict", 1))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    for name in ("word/document.xml", "word/styles.xml", "_rels/.rels", "word/_rels/document.xml.rels"):
        part = parts[name].replace(
            b"http://schemas.openxmlformats.org/wordprocessingml/2006/main",
            b"http://purl.oclc.org/ooxml/wordprocessingml/main",
        )
        part = part.replace(
            b"http://schemas.openxmlformats.org/officeDocument/2006/relationships",
            b"http://purl.oclc.org/ooxml/officeDocument/relationships",
        )
        data = with_part(data, name, part)
    assert blocks(read(Path("a.docx"), data)) == [("heading", "Strict")]


def test_slides_are_pages_with_title_text_tables_groups_and_notes() -> None:
    from pptx.util import Inches

    def fill(presentation: Any) -> None:
        first = presentation.slides.add_slide(presentation.slide_layouts[1])
        first.shapes.title.text = "Plan"
        first.placeholders[1].text = "One\nTwo"
        first.notes_slide.notes_text_frame.text = "Say hello."
        second = presentation.slides.add_slide(presentation.slide_layouts[6])
        box = Inches(1), Inches(1), Inches(2), Inches(1)
        group = second.shapes.add_group_shape()
        group.shapes.add_textbox(*box).text_frame.text = "Grouped"
        table = second.shapes.add_table(2, 2, *box).table
        for number, text in enumerate(("a", "b", "1", "2")):
            table.cell(number // 2, number % 2).text = text

    reading = read(Path("a.pptx"), pptx(fill))
    assert blocks(reading) == [
        ("heading", "Plan"),
        ("list", "- One\n- Two"),
        ("paragraph", "Notes: Say hello."),
        ("paragraph", "Grouped"),
        ("table", "| a | b |\n| --- | --- |\n| 1 | 2 |"),
    ]
    assert [block.page for block in reading.blocks] == [1, 1, 1, 2, 2]
    assert reading.blocks[3].heading == (), "an untitled slide stands under no earlier title"


def test_a_chart_says_its_title_and_figures() -> None:
    import pptx.chart.data as charts
    from pptx.enum.chart import XL_CHART_TYPE
    from pptx.util import Inches

    def fill(presentation: Any) -> None:
        data: Any = getattr(charts, "CategoryChartData")()  # noqa: B009  the library has no types
        data.categories = ["2022", "2023"]
        data.add_series("Sales", (3, 4))
        slide = presentation.slides.add_slide(presentation.slide_layouts[6])
        frame = slide.shapes.add_chart(XL_CHART_TYPE.PIE, Inches(1), Inches(1), Inches(3), Inches(3), data)
        frame.chart.has_title = True
        frame.chart.chart_title.text_frame.text = "Growth"

    text = read(Path("a.pptx"), pptx(fill)).text
    assert text.startswith("Growth")
    assert "| 2023 | 4.0 |" in text or "| 2023 | 4 |" in text


def test_sheets_are_pages_and_blocks_of_rows_are_tables_with_their_titles() -> None:
    rows: list[list[object]] = [["Sales 2023"], ["city", "sum"], ["Bern", 7], []]
    rows += [[None, "city", "cost"], [None, "Basel", 8]]
    south: list[list[object]] = [["x", "y"], [1, 2]]
    reading = read(Path("a.xlsx"), xlsx({"North": rows, "South": south}))
    assert blocks(reading) == [
        ("heading", "North"),
        ("paragraph", "Sales 2023"),
        ("table", "| city | sum |\n| --- | --- |\n| Bern | 7 |"),
        ("table", "| city | cost |\n| --- | --- |\n| Basel | 8 |"),
        ("heading", "South"),
        ("table", "| x | y |\n| --- | --- |\n| 1 | 2 |"),
    ]
    assert [block.page for block in reading.blocks] == [1, 1, 1, 1, 2, 2]
    assert reading.blocks[-1].heading == ("South",)


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [
        (date(2024, 2, 29), "yyyy-mm-dd", "2024-02-29"),
        (datetime(2024, 2, 29, 13, 5), "dd/mm/yyyy hh:mm", "2024-02-29 13:05"),  # noqa: DTZ001
        (time(7, 30), "h:mm", "07:30"),
        (timedelta(hours=30, minutes=5), "[h]:mm:ss", "30:05:00"),
        (0.125, "0.0%", "12.5%"),
        (3.14159, "0.00", "3.14"),
        (1 / 3, "General", "0.333333333333333"),
        (1234567, "#,##0", "1234567"),
        (20, '"day" 0', "20"),
        (5, "[Red]0", "5"),
        (True, "General", "TRUE"),
        ("text", "General", "text"),
        (-44, "yyyy-mm-dd", "-44"),
    ],
)
def test_cells_show_what_the_workbook_shows(value: object, form: str, shown: str) -> None:
    import openpyxl

    workbook = openpyxl.Workbook()
    workbook.active["A1"], workbook.active["B1"] = "label", value
    workbook.active["B1"].number_format = form
    assert read(Path("a.xlsx"), saved(workbook)).text.split("\n")[-1] == f"| label | {shown} |"


def test_a_formula_shows_the_value_that_it_had() -> None:
    data = xlsx({"S": [["a", "b"], [1, 2]]})
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml")
    part = sheet.replace(b"<v>2</v>", b"<f>A2*21</f><v>21</v>")
    assert "| 1 | 21 |" in read(Path("a.xlsx"), with_part(data, "xl/worksheets/sheet1.xml", part)).text


def test_a_hidden_sheet_is_left_out_with_a_warning_and_notes_on_cells_are_read() -> None:
    import openpyxl
    from openpyxl.comments import Comment

    workbook = openpyxl.Workbook()
    workbook.active["A1"] = "seen"
    workbook.active["A1"].comment = Comment("check\nthis", "Ann")
    workbook.create_sheet("Lookup")["A1"] = "hidden"
    workbook["Lookup"].sheet_state = "hidden"
    reading = read(Path("a.xlsx"), saved(workbook))
    assert "Note on A1 by Ann: check this" in reading.text
    assert "hidden" not in reading.text
    assert reading.warnings == ("sheet Lookup is hidden and was left out",)


def test_merged_cells_of_a_sheet_are_said_in_each_row() -> None:
    import openpyxl

    workbook = openpyxl.Workbook()
    for row in (["year", "city"], [2023, "Bern"], [None, "Basel"]):
        workbook.active.append(row)
    workbook.active.merge_cells("A2:A3")
    assert "| 2023 | Basel |" in read(Path("a.xlsx"), saved(workbook)).text


def test_a_sheet_with_two_cells_far_apart_takes_no_time() -> None:
    import openpyxl

    workbook = openpyxl.Workbook()
    workbook.active.cell(1, 1, "here")
    workbook.active.cell(1_048_576, 16_384, "there")
    assert read(Path("a.xlsx"), saved(workbook)).text == "Sheet\n\nhere\n\nthere"
