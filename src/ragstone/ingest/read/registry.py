"""Which function reads which kind of file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ragstone.domain import Reading
from ragstone.ingest.read.delimited import read_delimited
from ragstone.ingest.read.epub import read_epub
from ragstone.ingest.read.kinds import Kind
from ragstone.ingest.read.lightweight import read_asciidoc, read_rst
from ragstone.ingest.read.markdown import read_markdown, read_mdx
from ragstone.ingest.read.notebook import read_notebook
from ragstone.ingest.read.odf import read_odf
from ragstone.ingest.read.office.docx import read_docx
from ragstone.ingest.read.office.pptx import read_pptx
from ragstone.ingest.read.office.xlsx import read_xlsx
from ragstone.ingest.read.pdf.reader import read_pdf
from ragstone.ingest.read.plain import read_plain
from ragstone.ingest.read.records import read_json, read_json_lines
from ragstone.ingest.read.source import Source
from ragstone.ingest.read.subtitles import read_subtitles
from ragstone.ingest.read.webpage import read_html

READERS: Mapping[Kind, Callable[[Source], Reading]] = {
    Kind.TEXT: read_plain,
    Kind.MARKDOWN: read_markdown,
    Kind.MDX: read_mdx,
    Kind.RST: read_rst,
    Kind.ASCIIDOC: read_asciidoc,
    Kind.HTML: read_html,
    Kind.DELIMITED: read_delimited,
    Kind.JSON: read_json,
    Kind.JSON_LINES: read_json_lines,
    Kind.NOTEBOOK: read_notebook,
    Kind.SUBTITLES: read_subtitles,
    Kind.PDF: read_pdf,
    Kind.DOCX: read_docx,
    Kind.PPTX: read_pptx,
    Kind.XLSX: read_xlsx,
    Kind.ODF: read_odf,
    Kind.EPUB: read_epub,
}
