"""Plain text and the encodings that it comes in, reStructuredText, AsciiDoc and subtitles."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from ragstone.domain import BlockKind, Reading
from ragstone.ingest.read import read

GERMAN = "Die Größe der Straße beträgt fünf Meter, und Äpfel kosten nichts. "
RUSSIAN = "Это русский текст для проверки кодировки, он довольно длинный. "
JAPANESE = "これは日本語のテキストです。文字コードの判定を試します。"
POLISH = "Zażółć gęślą jaźń. To jest zwykły polski tekst o książkach i ludziach. "


def blocks(reading: Reading) -> list[tuple[str, str]]:
    return [(block.kind.value, reading.text[block.start : block.end]) for block in reading.blocks]


def test_paragraphs_are_what_stands_between_blank_lines() -> None:
    reading = read(Path("a.txt"), b"\n\none\ntwo\n \t\n\n  three\n")
    assert blocks(reading) == [("paragraph", "one\ntwo"), ("paragraph", "  three")]


def test_the_stored_text_is_the_files_own_with_simple_line_ends() -> None:
    assert read(Path("a.txt"), b"one\r\ntwo\rthree\n").text == "one\ntwo\nthree\n"


def test_nul_and_control_characters_are_removed() -> None:
    assert read(Path("a.txt"), b"some words and a n\x00ul and \x07 bell" + b" more words" * 9).text.startswith(
        "some words and a nul and  bell"
    )


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", GERMAN + JAPANESE),
        ("utf-8-sig", GERMAN),
        ("utf-16", GERMAN + JAPANESE),
        ("utf-16-le", GERMAN),
        ("utf-16-be", GERMAN),
        ("utf-32", GERMAN),
        ("latin-1", GERMAN),
        ("cp1252", GERMAN + "“€”"),
        ("latin-1", "café"),
        ("cp1250", POLISH),
        ("cp1251", RUSSIAN),
        ("koi8-r", RUSSIAN),
        ("shift_jis", JAPANESE),
        ("gb18030", "这是中文文本，用来测试编码检测。"),
        ("euc-kr", "이것은 한국어 텍스트입니다. 인코딩 감지 테스트."),
    ],
)
def test_text_survives_its_encoding(encoding: str, text: str) -> None:
    reading = read(Path("a.txt"), text.encode(encoding))
    assert reading.text == text
    assert not reading.warnings


@pytest.mark.parametrize("bom", [codecs.BOM_UTF16_BE + "Größe".encode("utf-16-be"), codecs.BOM_UTF8 + "Größe".encode()])
def test_a_byte_order_mark_is_no_text(bom: bytes) -> None:
    assert read(Path("a.txt"), bom).text == "Größe"


def test_letters_far_behind_a_long_ascii_beginning_are_still_decoded() -> None:
    text = "plain words " * 20_000 + GERMAN
    assert read(Path("a.txt"), text.encode("latin-1")).text == text


def test_a_broken_byte_in_a_utf8_text_is_replaced_with_a_warning() -> None:
    reading = read(Path("a.txt"), (GERMAN * 20).encode() + b"\xff")
    assert reading.text == GERMAN * 20 + "\ufffd"
    assert any("utf-8" in warning for warning in reading.warnings)


def test_rst_headings_take_their_level_from_the_order_of_underlines() -> None:
    reading = read(
        Path("a.rst"),
        b"=====\nGuide\n=====\n\nIntro.\n\nUse\n---\n\nWords.\n\nMore\n~~~~\n\nDeep.\n\nEnd\n---\n\nLast.\n",
    )
    paths = {reading.text[block.start : block.end]: block.heading for block in reading.blocks}
    assert paths["Intro."] == ("Guide",)
    assert paths["Deep."] == ("Guide", "Use", "More")
    assert paths["Last."] == ("Guide", "End")
    assert reading.title == "Guide"


def test_asciidoc_headings_and_listings_are_marked() -> None:
    reading = read(Path("a.adoc"), b"= Guide\n\nIntro.\n\n== Use\n\n----\n== no heading\n----\n\nWords.\n")
    assert [block.kind for block in reading.blocks] == [
        BlockKind.HEADING,
        BlockKind.PARAGRAPH,
        BlockKind.HEADING,
        BlockKind.CODE,
        BlockKind.PARAGRAPH,
    ]
    assert reading.blocks[-1].heading == ("Guide", "Use")


def test_an_asciidoc_fence_that_never_ends_hides_nothing() -> None:
    assert "Words." in [body for _, body in blocks(read(Path("a.adoc"), b"----\n\nWords.\n"))]


def test_subtitles_become_a_paragraph_for_each_speaker() -> None:
    data = b"WEBVTT\n\nNOTE hidden\n\n1\n00:01.000 --> 00:02.000\n<v Ann>Good\nmorning,</v>\n\n"
    data += b"00:02.000 --> 00:03.000\n<v Ann>all.</v>\n\n"
    reading = read(Path("a.vtt"), data + b"00:03.000 --> 00:04.000\n<v Bob>Hi &amp; <i>welcome</i>.</v>\n")
    assert blocks(reading) == [("paragraph", "Ann: Good morning, all."), ("paragraph", "Bob: Hi & welcome.")]


def test_srt_subtitles_are_read_without_times() -> None:
    reading = read(
        Path("a.srt"), b"1\n00:00:01,000 --> 00:00:02,000\nHello.\n\n2\n00:00:02,000 --> 00:00:03,000\nBye.\n"
    )
    assert reading.text == "Hello. Bye."


def test_a_blank_line_inside_a_cue_hides_nothing() -> None:
    first = "1\n00:00:01,000 --> 00:00:04,000\nFirst line.\n\nNOTE the code:\n\n4711\n\nNext:\n5\n\n"
    reading = read(Path("a.srt"), f"{first}2\n\n00:00:05,000 --> 00:00:06,000\nBye.\n".encode())
    assert reading.text == "First line. NOTE the code: 4711 Next: 5 Bye."


def test_cues_with_whole_seconds_are_read() -> None:
    reading = read(Path("a.srt"), b"1\n00:00:01 --> 00:00:04\nHello.\n\n2\n\n00:00:05-->00:00:06\nBye.\n")
    assert reading.text == "Hello. Bye."
