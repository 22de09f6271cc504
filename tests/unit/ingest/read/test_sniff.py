"""What a file is shows in its first and last bytes."""

from __future__ import annotations

import io
import zipfile

import pytest
import sample_files

from ragstone.ingest.read.sniff import SAMPLE, UNKNOWN, media_type

OFFICE = "application/vnd.openxmlformats-officedocument"


def sniffed(name: str, content: bytes) -> str:
    return media_type(name, content[:SAMPLE], content[-SAMPLE:])


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", b"plain words", "text/plain"),
        ("noextension", b"plain words", "text/plain"),
        ("a.md", b"# Title", "text/markdown"),
        ("a.csv", b"a,b\n1,2\n", "text/csv"),
        ("a.tsv", b"a\tb\n", "text/tab-separated-values"),
        ("a.vtt", b"WEBVTT\n", "text/vtt"),
        ("a.json", b"{}", "application/json"),
        ("a.eml", b"From: a@b.c\n\nx", "message/rfc822"),
        ("page", b"  <!DOCTYPE html><html></html>", "text/html"),
        ("wrong.docx", b"<html><body>saved as</body></html>", "text/html"),
        ("report.txt", b"%PDF-1.7\n...", "application/pdf"),
        ("report.pdf", b"garbage\n%PDF-1.7\n...", "application/pdf"),
        ("report", b"garbage\n%PDF-1.7\n" + bytes(range(32)), "application/pdf"),
        ("formats.md", b"# PDF\n\nA PDF file begins with `%PDF-1.7`.\n", "text/markdown"),
        (
            "a.docx",
            sample_files.docx(lambda document: document.add_paragraph("x")),
            f"{OFFICE}.wordprocessingml.document",
        ),
        ("a.xlsx", sample_files.xlsx({"s": [["a"]]}), f"{OFFICE}.spreadsheetml.sheet"),
        (
            "a.pptx",
            sample_files.pptx(lambda presentation: presentation.slides),
            f"{OFFICE}.presentationml.presentation",
        ),
        ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(100), UNKNOWN),
        ("old.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), UNKNOWN),
        ("empty", b"", UNKNOWN),
        ("cut.docx", b"PK\x03\x04" + bytes(50), UNKNOWN),
    ],
)
def test_the_content_tells_and_the_name_helps(name: str, content: bytes, expected: str) -> None:
    assert sniffed(name, content) == expected


def test_a_large_office_file_is_told_by_both_of_its_ends() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("media/film.bin", bytes(3 * SAMPLE))
        archive.writestr("word/document.xml", "<w/>")
    assert sniffed("report", buffer.getvalue()) == f"{OFFICE}.wordprocessingml.document"


def test_a_zip_whose_list_of_parts_is_longer_than_the_sample_is_not_guessed_at() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(4000):
            archive.writestr(f"{'x' * 60}{number}", b"")
    assert sniffed("a.zip", buffer.getvalue()) == UNKNOWN
