"""The media type of a file by its content, from its first and its last bytes: it need not lie in memory."""

from __future__ import annotations

from pathlib import PurePath

from ragstone.errors import UnreadableFileError
from ragstone.ingest.read.kinds import ZIP, Kind, kind_of, kind_of_zip
from ragstone.ingest.read.source import Source

SAMPLE = 256 * 1024  # bytes from each end; the list of a container's parts has to fit into it
UNKNOWN = "application/octet-stream"

_OFFICE = "application/vnd.openxmlformats-officedocument"
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument"
_TYPES = {
    Kind.TEXT: "text/plain",
    Kind.MARKDOWN: "text/markdown",
    Kind.MDX: "text/mdx",
    Kind.RST: "text/x-rst",
    Kind.ASCIIDOC: "text/asciidoc",
    Kind.SUBTITLES: "application/x-subrip",
    Kind.HTML: "text/html",
    Kind.PDF: "application/pdf",
    Kind.DOCX: f"{_OFFICE}.wordprocessingml.document",
    Kind.PPTX: f"{_OFFICE}.presentationml.presentation",
    Kind.XLSX: f"{_OFFICE}.spreadsheetml.sheet",
    Kind.ODF: f"{_OPEN_DOCUMENT}.text",
    Kind.EPUB: "application/epub+zip",
    Kind.DELIMITED: "text/csv",
    Kind.JSON: "application/json",
    Kind.JSON_LINES: "application/jsonl",
    Kind.NOTEBOOK: "application/x-ipynb+json",
    Kind.MAIL: "message/rfc822",
}
# Where one reader takes several formats, and the name tells them apart.
_BY_EXTENSION = {
    (Kind.SUBTITLES, ".vtt"): "text/vtt",
    (Kind.DELIMITED, ".tsv"): "text/tab-separated-values",
    (Kind.ODF, ".ods"): f"{_OPEN_DOCUMENT}.spreadsheet",
    (Kind.ODF, ".odp"): f"{_OPEN_DOCUMENT}.presentation",
}


def media_type(name: str, head: bytes, tail: bytes) -> str:
    """What a file is that begins and ends with these bytes, at most `SAMPLE` of each; `UNKNOWN` if it is not read."""
    try:
        kind = kind_of_zip(Source(name, tail)) if head.startswith(ZIP) else kind_of(Source(name, head))
    except UnreadableFileError:
        return UNKNOWN
    return _BY_EXTENSION.get((kind, PurePath(name).suffix.lower()), _TYPES[kind])
