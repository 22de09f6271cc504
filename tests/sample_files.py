"""Small files of every format, made in memory for the tests of the readers."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from typing import Any

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

CJK = "東京は日本の首都です。"
ARABIC = "مرحبا بالعالم"
HEBREW = "שלום עולם"


def docx(fill: Any) -> bytes:
    """A Word document; `fill` writes into it."""
    import docx as library

    document = library.Document()
    fill(document)
    return saved(document)


def pptx(fill: Any) -> bytes:
    """A presentation; `fill` adds the slides."""
    import pptx as library

    presentation = library.Presentation()
    fill(presentation)
    return saved(presentation)


def xlsx(sheets: Mapping[str, Sequence[Sequence[object]]]) -> bytes:
    """A workbook with these rows a sheet."""
    import openpyxl

    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for title, rows in sheets.items():
        sheet = workbook.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
    return saved(workbook)


def saved(document: Any) -> bytes:
    """The bytes of a document of any of these libraries."""
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def pdf(*pages: Any, **options: Any) -> bytes:
    """A PDF; each function draws one page."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, **options)
    for draw in pages:
        draw(canvas)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def text_page(*lines: tuple[str, float] | str, top: float = 760, font: str = "Helvetica") -> Any:
    """A page of lines from the top down; a pair gives a line and its size, bold when that is not 11."""

    def draw(canvas: Canvas) -> None:
        y = top
        for line in lines:
            text, size = line if isinstance(line, tuple) else (line, 11)
            canvas.setFont(f"{font}-Bold" if size != 11 else font, size)
            canvas.drawString(72, y, text)
            y -= size * 1.3 if text else 12

    return draw


def zipped(parts: Mapping[str, bytes | str]) -> bytes:
    """A zip container of these parts."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def with_part(data: bytes, name: str, part: bytes | None) -> bytes:
    """A zip container with one part replaced, or removed for None."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist()}
    parts.pop(name, None)
    return zipped(parts if part is None else {**parts, name: part})


def mail(
    text: str, *, subject: str = "Quarterly figures", html: str = "", files: Mapping[str, bytes] | None = None
) -> bytes:
    """A message with attachments."""
    message = EmailMessage()
    message["From"], message["To"] = "Ann <ann@example.org>", "bob@example.org"
    message["Date"], message["Subject"] = "Mon, 06 Jan 2025 09:00:00 +0000", subject
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    for name, data in (files or {}).items():
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()


def epub(*chapters: str) -> bytes:
    """A book of these HTML chapters."""
    names = [f"c{number}.xhtml" for number in range(len(chapters))]
    items = "".join(f'<item id="{name}" href="{name}" media-type="application/xhtml+xml"/>' for name in names)
    order = "".join(f'<itemref idref="{name}"/>' for name in names)
    title = '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>A book</dc:title></metadata>'
    manifest = f"<manifest>{items}</manifest>"
    root = '<rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles>'
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": f'<container xmlns="urn:x">{root}</container>',
            "OPS/book.opf": f'<package xmlns="urn:y">{title}{manifest}<spine>{order}</spine></package>',
            **{f"OPS/{name}": chapter for name, chapter in zip(names, chapters, strict=True)},
        }
    )


def odf(kind: str, body: str) -> bytes:
    """An OpenDocument file; `kind` is text, spreadsheet or presentation."""
    spaces = " ".join(f'xmlns:{name}="urn:{name}"' for name in ("office", "text", "table", "draw", "presentation"))
    inside = f"<office:body><office:{kind}>{body}</office:{kind}></office:body>"
    return zipped({"content.xml": f"<office:document-content {spaces}>{inside}</office:document-content>"})


def notebook(*cells: tuple[str, str]) -> bytes:
    """A Jupyter notebook of (kind, source) cells."""
    return json.dumps({"cells": [{"cell_type": kind, "source": [source]} for kind, source in cells]}).encode()


def _document(document: Any) -> None:
    document.add_heading("Travel policy", level=1)
    document.add_paragraph("Book early. " + CJK + " " + ARABIC)
    document.add_paragraph("Trains first", style="List Bullet")
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(table._cells, ("City", "Limit", "Bern", "180"), strict=True):
        cell.text = text


def _slides(presentation: Any) -> None:
    slide = presentation.slides.add_slide(presentation.slide_layouts[1])
    slide.shapes.title.text = "Roadmap " + CJK
    slide.placeholders[1].text = "First\nSecond"


def one_of_each() -> dict[str, bytes]:
    """A file of every format that is read, by name."""
    prose = f"# Title\n\nSome words. {CJK} {ARABIC}\n\n- item\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    page = f"<title>T</title><h1>Head</h1><p>Words {CJK}</p><ul><li>one<li>two</ul>"
    page += "<table><tr><th>a<th>b<tr><td>1<td>2</table>"
    return {
        "notes.txt": f"First.\r\n\r\nSecond {HEBREW}.\r\n".encode(),
        "notes.md": prose.encode(),
        "notes.mdx": ("import A from 'a'\n\n" + prose + "\n<Tip>\nInside\n</Tip>\n").encode(),
        "notes.rst": b"Title\n=====\n\nWords.\n",
        "notes.adoc": b"= Title\n\nWords.\n\n----\ncode\n----\n",
        "talk.vtt": b"WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ann>Hello\n",
        "page.html": page.encode(),
        "table.csv": b"city,limit\nBern,180\n",
        "data.json": b'{"a": {"b": 1}, "rows": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]}',
        "data.jsonl": b'{"title": "T", "text": "Words"}\n{"title": "U", "text": "More"}\n',
        "work.ipynb": notebook(("markdown", "# Title\n\nWords"), ("code", "print(1)")),
        "letter.eml": mail("Dear Bob,\n\nsee below.\n", files={"table.csv": b"a,b\n1,2\n"}),
        "policy.docx": docx(_document),
        "deck.pptx": pptx(_slides),
        "book.xlsx": xlsx({"Sheet 1": [["city", "limit"], ["Bern", 180]], CJK: [["a", "b"], [1, 2]]}),
        "text.odt": odf("text", '<text:h text:outline-level="1">Title</text:h><text:p>Words</text:p>'),
        "book.epub": epub("<html><body><h1>One</h1><p>Words</p></body></html>"),
        "paper.pdf": pdf(text_page(("Heading", 20), "", "Some words in a line.", "And some more words.")),
    }
