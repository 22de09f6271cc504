"""Each bad file gives one clear line with its remedy, in bounded time and memory."""

from __future__ import annotations

import io
import struct
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from sample_files import docx, one_of_each, pdf, saved, text_page, with_part, xlsx, zipped

from ragstone.errors import FileSkippedError, UnreadableFileError
from ragstone.ingest.read import Limits, read

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4
OLE = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600)
SOUND_PDF = pdf(text_page("Some words."))
SOUND_DOCX = docx(lambda document: document.add_paragraph("Good words"))
MANY = 200_000


def refused(name: str, data: bytes, limits: Limits | None = None) -> UnreadableFileError:
    with pytest.raises(UnreadableFileError) as caught:
        read(Path(name), data, limits or Limits())
    assert caught.value.why
    assert caught.value.remedy
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("name", one_of_each())
def test_an_empty_file_says_so(name: str) -> None:
    assert "it is empty" in str(refused(name, b""))


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.csv", "a.rst", "a.adoc", "a.vtt", "a.jsonl", "unknown"])
def test_a_file_of_blanks_holds_no_text(name: str) -> None:
    assert "no text" in str(refused(name, b" \r\n\t\n" * 40))


def test_a_picture_under_the_name_of_a_text_says_what_it_looks_like() -> None:
    error = refused("notes.txt", PNG)
    assert "PNG picture" in error.why
    assert not isinstance(error, FileSkippedError)


@pytest.mark.parametrize("name", ["photo.png", "blob", "backup.bin"])
def test_a_picture_is_skipped(name: str) -> None:
    assert isinstance(refused(name, PNG), FileSkippedError)


def test_a_zip_archive_is_skipped() -> None:
    assert isinstance(refused("all.zip", zipped({"a.txt": "words"})), FileSkippedError)


@pytest.mark.parametrize(
    ("name", "target"), [("a.doc", "DOCX"), ("a.xls", "XLSX"), ("a.ppt", "PPTX"), ("a.msg", "EML")]
)
def test_a_legacy_office_file_says_what_to_convert_it_to(name: str, target: str) -> None:
    assert target in refused(name, OLE).remedy


def test_rich_text_says_what_to_convert_it_to() -> None:
    assert "DOCX" in refused("a.rtf", rb"{\rtf1 words}").remedy


def test_an_encrypted_office_file_asks_to_remove_the_password() -> None:
    assert "password" in refused("a.docx", OLE + "EncryptedPackage".encode("utf-16-le")).why


def test_an_encrypted_zip_part_asks_to_remove_the_password() -> None:
    data = bytearray(zipped({"content.xml": "<a/>"}))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    assert "password" in refused("a.odt", bytes(data)).why


def test_an_encrypted_pdf_asks_to_remove_the_password() -> None:
    from reportlab.lib.pdfencrypt import StandardEncryption

    data = pdf(text_page("Secret."), encrypt=StandardEncryption("secret"))
    assert "password" in refused("a.pdf", data).remedy


def test_a_pdf_that_opens_without_a_password_is_read_although_it_is_encrypted() -> None:
    from reportlab.lib.pdfencrypt import StandardEncryption

    data = pdf(text_page("For all to see."), encrypt=StandardEncryption("", ownerPassword="owner"))
    assert read(Path("a.pdf"), data).text == "For all to see."


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6])
def test_a_truncated_pdf_is_reported_with_its_reason(share: float) -> None:
    assert "damaged or cut off" in refused("a.pdf", SOUND_PDF[: int(share * len(SOUND_PDF))]).why


def test_a_pdf_whose_end_is_missing_is_read_with_a_warning() -> None:
    cut = SOUND_PDF[: SOUND_PDF.rindex(b"xref")]
    assert any("cut off" in warning for warning in read(Path("a.pdf"), cut).warnings)


def test_a_pdf_without_pages_is_refused() -> None:
    import pypdfium2

    assert "no pages" in refused("a.pdf", saved(pypdfium2.PdfDocument.new())).why


def test_a_pdf_of_a_hundred_thousand_objects_is_read_in_seconds() -> None:
    lines = b"".join(b"%d %d m %d %d l S\n" % (i % 500, i % 700, i % 311, i % 97) for i in range(100_000))
    stream = lines + b"BT /F1 12 Tf 50 700 Td (Hello there) Tj ET"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    body = b"".join(b"%d 0 obj%bendobj\n" % pair for pair in enumerate(objects, 1))
    began = time.monotonic()
    reading = read(Path("a.pdf"), b"%PDF-1.4\n" + body + b"trailer<</Size 6/Root 1 0 R>>\n%%EOF")
    assert reading.text == "Hello there"
    assert time.monotonic() - began < 20


def test_a_document_whose_main_part_is_missing_is_refused() -> None:
    assert "word/document.xml" in refused("a.docx", with_part(SOUND_DOCX, "word/document.xml", None)).why


def test_a_document_cut_inside_its_main_part_keeps_the_words_before() -> None:
    with zipfile.ZipFile(io.BytesIO(SOUND_DOCX)) as archive:
        part = archive.read("word/document.xml")
    cut = with_part(SOUND_DOCX, "word/document.xml", part[: part.index(b"</w:p>") + 6])
    reading = read(Path("a.docx"), cut)
    assert reading.text == "Good words"
    assert any("damaged" in warning for warning in reading.warnings)


@pytest.mark.parametrize("part", ["word/styles.xml", "word/_rels/document.xml.rels", "docProps/core.xml"])
def test_a_document_with_a_broken_side_part_is_read_with_a_warning(part: str) -> None:
    reading = read(Path("a.docx"), with_part(SOUND_DOCX, part, b"<broken"))
    assert reading.text == "Good words"
    assert any(part in warning for warning in reading.warnings)


def test_a_broken_slide_or_sheet_is_left_out_with_a_warning() -> None:
    data = xlsx({"One": [["a", "b"], [1, 2]], "Two": [["c", "d"], [3, 4]]})
    reading = read(Path("a.xlsx"), with_part(data, "xl/worksheets/sheet2.xml", b"<worksheet><sheetData><row"))
    assert "| 1 | 2 |" in reading.text
    assert any("sheet2" in warning for warning in reading.warnings)


@pytest.mark.parametrize("name", ["a.docx", "a.xlsx", "a.pptx", "a.odt", "a.epub"])
def test_a_truncated_container_is_reported_as_cut_off(name: str) -> None:
    assert "cut off" in refused(name, SOUND_DOCX[: len(SOUND_DOCX) // 2]).why


def bomb(part: str, megabytes: int) -> bytes:
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(part, "w", force_zip64=True) as out,
    ):
        for _ in range(megabytes):
            out.write(b" " * 1_000_000)
    return buffer.getvalue()


@pytest.mark.parametrize("part", ["xl/workbook.xml", "word/document.xml", "ppt/presentation.xml", "content.xml"])
def test_a_zip_bomb_is_refused_before_it_is_inflated(part: str) -> None:
    began = time.monotonic()
    error = refused("a.xlsx", bomb(part, 40), Limits(expanded_bytes=20_000_000))
    assert "unpacked" in error.why
    assert time.monotonic() - began < 5


def test_a_zip_bomb_that_lies_about_its_size_is_refused_while_it_is_inflated() -> None:
    data = bytearray(bomb("word/document.xml", 40))
    entry = data.index(b"PK\x01\x02")
    extra = struct.unpack_from("<H", data, entry + 30)[0]
    assert extra == 0
    for position in (entry + 24, data.index(b"PK\x03\x04") + 22):
        struct.pack_into("<I", data, position, 1000)
    error = refused("a.docx", bytes(data), Limits(expanded_bytes=20_000_000))
    assert "damaged" in error.why or "unpacked" in error.why


def test_a_container_that_grows_too_many_times_is_refused() -> None:
    assert "200 times" in refused("a.docx", bomb("word/document.xml", 70)).why


def test_a_container_of_too_many_parts_is_refused() -> None:
    data = zipped({f"word/{number}.xml": "" for number in range(60)})
    assert "60 parts" in refused("a.docx", data, Limits(entries=50)).why


ENTITIES = b'<!DOCTYPE d [<!ENTITY a "%s">%s<!ENTITY f SYSTEM "file:///etc/passwd">]>' % (
    b"boom" * 100,
    b"".join(b'<!ENTITY a%d "%b">' % (n, b"&a%b;" % (b"%d" % (n - 1) if n else b"") * 50) for n in range(8)),
)


def test_entities_are_neither_expanded_nor_fetched() -> None:
    with zipfile.ZipFile(io.BytesIO(SOUND_DOCX)) as archive:
        part = archive.read("word/document.xml")
    start = part.index(b"<w:document")
    evil = ENTITIES.replace(b"<!DOCTYPE d", b"<!DOCTYPE document") + part[start:].replace(
        b"Good words", b"Good &f;&a7; words"
    )
    reading = read(Path("a.docx"), with_part(SOUND_DOCX, "word/document.xml", evil))
    assert reading.text.startswith("Good")
    assert len(reading.text) < 50


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.json", b"[" * MANY),
        ("a.json", b'{"a":' * MANY + b"1" + b"}" * MANY),
        ("a.html", b"<div>" * MANY + b"deep"),
        (
            "a.eml",
            b"".join(b"Content-Type: multipart/mixed; boundary=b%d\nFrom: x\n\n--b%d\n" % (n, n) for n in range(2000)),
        ),
    ],
    ids=["arrays", "objects", "elements", "messages"],
)
def test_content_that_is_nested_too_deeply_is_refused(name: str, data: bytes) -> None:
    assert "nested too deeply" in str(refused(name, data)).lower().replace("the page is ", "")


def test_a_page_with_one_branch_too_deep_keeps_the_rest() -> None:
    reading = read(Path("a.html"), b"<p>before</p>" + b"<div>" * MANY + b"deep")
    assert reading.text == "before"
    assert any("nested too deeply" in warning for warning in reading.warnings)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.html", b"<table><tr><td>" * 20_000 + b"x"),
        ("a.html", b"<div class=cookie>" * 50_000),
        ("a.html", b"<table>" + b"<tr><th colspan=999 rowspan=999>x" * 300 + b"</table>"),
        ("a.json", b"[" + b",".join(b'{"k%d":1}' % n for n in range(5000)) + b"]"),
        ("a.md", b"<b a " * 200_000),
        ("a.md", b"[" * 500_000),
        ("a.md", b"- x\n" * 100_000),
        ("a.txt", b"\n \n" * 1_000_000 + b"x"),
        ("a.csv", b'"' + b"a,b\n" * 300_000),
        ("a.vtt", b"WEBVTT\n\n" + b"00:01.000 --> 00:02.000\nhi\n\n" * 50_000),
        ("a.vtt", b"WEBVTT\n\n" + b"00:01.000 --> 00:02.000\n" + b"<v " * 200_000),
    ],
    ids=["tables", "banners", "spans", "columns", "tags", "brackets", "items", "blanks", "quotes", "cues", "voices"],
)
def test_hostile_text_takes_seconds_at_most(name: str, data: bytes) -> None:
    began = time.monotonic()
    with suppress(UnreadableFileError):
        read(Path(name), data)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.csv", "a.json", "a.eml"])
def test_one_line_of_five_million_letters_is_read_in_seconds(name: str) -> None:
    words = b"word " * 1_000_000
    data = {"a.json": b'{"a": "%b"}' % words, "a.eml": b"From: a\n\n" + words}.get(name, words)
    began = time.monotonic()
    assert len(read(Path(name), data).text) >= 4_999_000
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("name", "data", "media_type"),
    [
        ("report.txt", SOUND_PDF, "application/pdf"),
        ("report.zip", SOUND_DOCX, "wordprocessingml"),
        ("report.xlsx", SOUND_DOCX, "wordprocessingml"),
        ("report.docx", b"<html><body><p>A page</p></body></html>", "text/html"),
        ("report.xls", b"<html><body><p>A page</p></body></html>", "text/html"),
        ("README", b"Read me first.", "text/plain"),
        ("settings.yaml", b"a: 1", "text/plain"),
    ],
)
def test_the_content_decides_where_the_name_is_wrong(name: str, data: bytes, media_type: str) -> None:
    assert media_type in read(Path(name), data).media_type


def test_text_under_the_name_of_a_binary_format_is_refused() -> None:
    assert "plain text" in refused("report.pdf", b"Just some words.").why


def test_json_with_garbage_behind_it_is_refused_with_the_place() -> None:
    assert "char" in refused("a.json", b'{"a": 1}{"a": 1}').why


def test_errors_travel_between_processes() -> None:
    import pickle

    error = refused("a.pdf", b"%PDF-1.4 broken")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
