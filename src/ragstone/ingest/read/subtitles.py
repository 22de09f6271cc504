"""WebVTT and SRT subtitles: what is said, a paragraph for each speaker, without times."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from itertools import zip_longest

from ragstone.domain import Reading
from ragstone.ingest.read.builder import Builder
from ragstone.ingest.read.decode import decode
from ragstone.ingest.read.source import Source

_TIMES = re.compile(r"\s*(?:\d+:)?\d+:\d+(?:[.,]\d+)?\s*-->")
_ASIDE = re.compile(r"(?:WEBVTT|NOTE|STYLE|REGION)(?:\s|$)")  # WebVTT section 4.1
_VOICE = re.compile(r"<v(?:\.[\w.-]*)?\s+([^<>]{1,200})>")
_TAG = re.compile(r"<[^<>]{0,200}>")
_BLANK_LINES = re.compile(r"\n\s*\n")
_CUES = 12  # after which the end of a sentence ends the paragraph


def read_subtitles(source: Source) -> Reading:
    """The cues in their order; NOTE, STYLE and REGION blocks of WebVTT are left out."""
    builder = Builder("text/vtt" if source.name.lower().endswith(".vtt") else "application/x-subrip")
    speaker = ""
    said: list[str] = []
    for text in _cues(decode(source.data).text):
        voice = _VOICE.search(text)
        name = voice.group(1).strip() if voice else speaker
        if name != speaker or (len(said) >= _CUES and said[-1].endswith((".", "!", "?", "。"))):
            builder.paragraph(" ".join(said))
            said.clear()
        if not said and name:
            said.append(f"{name}:")
        speaker = name
        said.append(" ".join(unescape(_TAG.sub("", text)).split()))
    builder.paragraph(" ".join(said))
    return builder.build()


def _cues(text: str) -> Iterator[str]:
    """What each cue says; a block without times goes on with the cue above, for a cue may hold a blank line."""
    asides = text.startswith("WEBVTT")
    blocks = [block.strip().split("\n") for block in _BLANK_LINES.split(text) if block.strip()]
    for lines, below in zip_longest(blocks, blocks[1:], fillvalue=[""]):
        begins = next((number for number, line in enumerate(lines[:2]) if _TIMES.match(line)), None)
        if begins is not None:
            yield " ".join(lines[begins + 1 :])
            continue
        number_of_below = len(lines) == 1 and lines[0].isdigit() and _TIMES.match(below[0])
        if not number_of_below and not (asides and _ASIDE.match(lines[0])):
            yield " ".join(lines)
