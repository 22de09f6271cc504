"""Mail messages."""

from __future__ import annotations

from pathlib import Path

import pytest
from sample_files import docx, mail

from ragstone.ingest.read import Limits, read


def test_header_lines_and_text_are_read() -> None:
    reading = read(Path("a.eml"), mail("Dear Bob,\n\nthe figures are fine.\n"))
    assert reading.title == "Quarterly figures"
    bodies = [reading.text[block.start : block.end] for block in reading.blocks]
    assert bodies[0] == "Quarterly figures"
    assert bodies[1].split("\n")[0] == "From: Ann <ann@example.org>"
    assert "Date: Mon, 06 Jan 2025" in bodies[1]
    assert bodies[2:] == ["Dear Bob,", "the figures are fine."]


def test_encoded_subjects_are_decoded() -> None:
    assert read(Path("a.eml"), mail("x", subject="Prüfung für 東京")).title == "Prüfung für 東京"


@pytest.mark.parametrize("charset", ["utf-8", "cp1252"])
def test_letters_that_a_header_holds_unencoded_are_read(charset: str) -> None:
    lines = (
        "From: Jörg <j@example.org>\nSubject: Größe der Räume im Büro\nContent-Type: text/plain; name=Maß.txt\n\nHallo"
    )
    reading = read(Path("a.eml"), lines.encode(charset))
    assert reading.title == "Größe der Räume im Büro"
    assert "From: Jörg <j@example.org>" in reading.text
    assert "Attachment: Maß.txt" in reading.text


def test_the_plain_text_is_preferred_over_its_html_twin() -> None:
    text = read(Path("a.eml"), mail("Plain words.", html="<p>HTML words.</p>")).text
    assert "Plain words." in text
    assert "HTML words." not in text


def test_a_file_attached_to_the_html_twin_is_read_with_the_plain_text() -> None:
    data = (
        b"From: a\nSubject: s\nContent-Type: multipart/alternative; boundary=a\n\n"
        b"--a\nContent-Type: text/plain\n\nSee below.\n"
        b"--a\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>HTML words.</p>\n"
        b"--b\nContent-Type: image/png\nContent-Disposition: inline; filename=logo.png\n\nx\n"
        b"--b\nContent-Type: text/plain\nContent-Disposition: inline; filename=fee.txt\n\nThe fee is 990 EUR.\n"
        b"--b--\n--a--\n"
    )
    reading = read(Path("a.eml"), data)
    bodies = [reading.text[block.start : block.end] for block in reading.blocks]
    assert bodies[2:] == ["See below.", "Attachment: fee.txt", "The fee is 990 EUR."]


def test_a_message_of_html_alone_is_read() -> None:
    data = b"From: a\nSubject: s\nContent-Type: text/html; charset=utf-8\n\n<p>HTML <b>words</b>.</p>"
    assert "HTML words." in read(Path("a.eml"), data).text


def test_attachments_are_sections_of_their_own() -> None:
    document = docx(lambda document: (document.add_heading("Plan", 1), document.add_paragraph("Go on.")))
    reading = read(Path("a.eml"), mail("See below.", files={"plan.docx": document}))
    last = reading.blocks[-1]
    assert reading.text[last.start : last.end] == "Go on."
    assert last.heading == ("Quarterly figures", "Attachment: plan.docx", "Plan")


def test_an_attachment_that_cannot_be_read_is_named_with_the_reason() -> None:
    reading = read(
        Path("a.eml"), mail("See below.", files={"plan.pdf": b"%PDF-1.4 broken", "logo.png": b"\x89PNG\r\n\x1a\n\x00"})
    )
    assert "Attachment: plan.pdf" in reading.text
    assert "Attachment: logo.png" in reading.text
    assert len(reading.warnings) == 1
    assert "damaged" in reading.warnings[0]


def test_messages_inside_messages_are_read_to_a_bounded_depth() -> None:
    data = mail("Innermost words.")
    for _ in range(3):
        data = mail("Outer.", files={"inner.eml": data})
    assert "Innermost words." in read(Path("a.eml"), data, Limits(depth=3)).text
    shallow = read(Path("a.eml"), data, Limits(depth=2))
    assert "Innermost words." not in shallow.text
    assert any("nested too deeply" in warning for warning in shallow.warnings)


def test_a_forwarded_message_is_read() -> None:
    data = (
        b"From: a\nSubject: Fwd\nContent-Type: multipart/mixed; boundary=b\n\n"
        b"--b\nContent-Type: text/plain\n\nSee this.\n"
        b"--b\nContent-Type: message/rfc822\n\nFrom: c\nSubject: Original\n\nOriginal words.\n\n--b--\n"
    )
    text = read(Path("a.eml"), data).text
    assert "See this." in text
    assert "Subject: Original" in text
    assert "Original words." in text


def test_an_unknown_charset_does_no_harm() -> None:
    data = b"From: a\nContent-Type: text/plain; charset=x-unknown\n\nGr\xc3\xb6\xc3\x9fe"
    assert "Größe" in read(Path("a.eml"), data).text
