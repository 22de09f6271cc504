"""Which reader a file needs: its content decides, its name where content says nothing."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import PurePath

from ragstone.ingest.read.archive import Archive
from ragstone.ingest.read.decode import is_binary
from ragstone.ingest.read.source import Source


class Kind(StrEnum):
    """The formats that are read."""

    TEXT = "text"
    MARKDOWN = "markdown"
    MDX = "mdx"
    RST = "rst"
    ASCIIDOC = "asciidoc"
    SUBTITLES = "subtitles"
    HTML = "html"
    PDF = "pdf"
    DOCX = "docx"
    PPTX = "pptx"
    XLSX = "xlsx"
    ODF = "odf"
    EPUB = "epub"
    DELIMITED = "delimited"
    JSON = "json"
    JSON_LINES = "jsonl"
    NOTEBOOK = "notebook"
    MAIL = "mail"


EXTENSIONS = {
    **dict.fromkeys((".txt", ".text", ".log"), Kind.TEXT),
    **dict.fromkeys((".md", ".markdown"), Kind.MARKDOWN),
    ".mdx": Kind.MDX,
    **dict.fromkeys((".rst", ".rest"), Kind.RST),
    **dict.fromkeys((".adoc", ".asciidoc"), Kind.ASCIIDOC),
    **dict.fromkeys((".vtt", ".srt"), Kind.SUBTITLES),
    **dict.fromkeys((".html", ".htm", ".xhtml"), Kind.HTML),
    ".pdf": Kind.PDF,
    **dict.fromkeys((".docx", ".docm", ".dotx"), Kind.DOCX),
    **dict.fromkeys((".pptx", ".pptm", ".ppsx"), Kind.PPTX),
    **dict.fromkeys((".xlsx", ".xlsm", ".xltx"), Kind.XLSX),
    **dict.fromkeys((".odt", ".ods", ".odp"), Kind.ODF),
    ".epub": Kind.EPUB,
    **dict.fromkeys((".csv", ".tsv"), Kind.DELIMITED),
    ".json": Kind.JSON,
    **dict.fromkeys((".jsonl", ".ndjson"), Kind.JSON_LINES),
    ".ipynb": Kind.NOTEBOOK,
    ".eml": Kind.MAIL,
}
_BINARY_KINDS = frozenset({Kind.PDF, Kind.DOCX, Kind.PPTX, Kind.XLSX, Kind.ODF, Kind.EPUB})

# Old formats whose readers would need a whole office suite, with what to do instead.
LEGACY = {
    **dict.fromkeys((".doc", ".dot", ".rtf", ".wps"), "DOCX or PDF"),
    **dict.fromkeys((".ppt", ".pps"), "PPTX or PDF"),
    **dict.fromkeys((".xls", ".xlsb"), "XLSX or CSV"),
    **dict.fromkeys((".msg", ".pst", ".mbox"), "EML"),
    **dict.fromkeys((".pages", ".numbers", ".xps"), "PDF"),
}
# What the first bytes say, in the words of an error.
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"BM", "a BMP picture"),
    (b"II*\x00", "a TIFF picture"),
    (b"MM\x00*", "a TIFF picture"),
    (b"RIFF", "a picture, a sound or a film"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"ID3", "a sound"),
    (b"OggS", "a sound"),
    (b"fLaC", "a sound"),
    (b"\x1a\x45\xdf\xa3", "a film"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"PAR1", "a Parquet file"),
    (b"\x93NUMPY", "a NumPy array"),
)
_UNMISTAKABLE = tuple(pair for pair in _SIGNATURES if not pair[0].isascii() or b"\x00" in pair[0])
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_OFFICE = "EncryptedPackage".encode("utf-16-le")
ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # how a container begins
_PDF_MARK = b"%PDF-"
_PDF_HEADER_WITHIN = 1024  # bytes; readers of PDF tolerate garbage in front


def kind_of(source: Source) -> Kind:
    """The reader for a file.

    Raises:
        UnreadableFileError: It is empty, in a legacy format, encrypted, or its content is not what its name says.
        FileSkippedError: It is a picture, an archive or something else without text to read.
    """
    data = source.data
    if not data:
        raise source.unreadable("it is empty", "Fill it or remove it.")
    if _is_pdf(source):
        return Kind.PDF
    if data.startswith(ZIP):
        return kind_of_zip(source)
    if data.startswith(_OLE):
        raise _legacy(source)
    if data.startswith(b"{\\rtf"):
        raise source.unreadable("it is rich text (RTF)", "Save it as DOCX or PDF.")
    if is_binary(data) or _looks_like(data, _UNMISTAKABLE):
        raise _binary(source)
    return _kind_of_text(source)


def _is_pdf(source: Source) -> bool:
    """Whether it begins as a PDF does; behind other bytes, the mark may be a word of a text about PDF."""
    at = source.data.find(_PDF_MARK, 0, _PDF_HEADER_WITHIN + len(_PDF_MARK))
    return at == 0 or (at > 0 and (EXTENSIONS.get(_extension(source)) is Kind.PDF or is_binary(source.data)))


def _extension(source: Source) -> str:
    return PurePath(source.name).suffix.lower()


def kind_of_zip(source: Source) -> Kind:
    """The reader for a zip container; its end is enough, where the names of its parts stand.

    Raises:
        UnreadableFileError: It is damaged, goes beyond the limits, or its content is not what its name says.
        FileSkippedError: It is an archive of files.
    """
    archive = Archive(source)
    names = set(archive.names)
    for part, kind in (("word/", Kind.DOCX), ("ppt/", Kind.PPTX), ("xl/", Kind.XLSX)):
        if any(name.startswith(part) for name in names):
            if "xl/workbook.bin" in names:
                raise source.unreadable("it is a binary workbook (XLSB)", "Save it as XLSX or CSV.")
            return kind
    if "META-INF/container.xml" in names:
        return Kind.EPUB
    if "content.xml" in names:
        return Kind.ODF
    if EXTENSIONS.get(_extension(source)) in _BINARY_KINDS:
        raise source.unreadable("the parts that hold its text are missing", "Open it in its program and save it again.")
    raise source.skipped("it is an archive", "Unpack it and ingest the folder.")


def _legacy(source: Source) -> Exception:
    if _ENCRYPTED_OFFICE in source.data:
        return source.unreadable("it is protected by a password", "Remove the password and try again.")
    target = LEGACY.get(_extension(source), "DOCX, XLSX, PPTX or PDF")
    return source.unreadable("it is in the format of Office 97-2003", f"Convert it to {target}.")


def _looks_like(data: bytes, signatures: Sequence[tuple[bytes, str]]) -> str:
    return next((words for mark, words in signatures if data.startswith(mark)), "")


def _binary(source: Source) -> Exception:
    looks = _looks_like(source.data, _SIGNATURES) or "binary data"
    extension = _extension(source)
    if extension in LEGACY:
        return source.unreadable(f"{extension} files are not read", f"Convert it to {LEGACY[extension]}.")
    if extension in EXTENSIONS:
        return source.unreadable(
            f"its content is not what {extension} promises: it looks like {looks}", "Check where the file comes from."
        )
    return source.skipped(f"it looks like {looks}", "Files without text are not read.")


def _kind_of_text(source: Source) -> Kind:
    extension = _extension(source)
    kind = EXTENSIONS.get(extension)
    if kind is not None and kind not in _BINARY_KINDS:
        return kind
    beginning = source.data[:_PDF_HEADER_WITHIN].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if beginning.startswith((b"<!doctype html", b"<html")):
        return Kind.HTML  # web pages saved under the name of an office document are common
    if kind is not None:
        raise source.unreadable(
            f"its content is not what {extension} promises: it looks like plain text",
            "Rename it to .txt if it is meant to be text, else get a sound copy.",
        )
    return Kind.TEXT
