"""WebVTT and SRT subtitles: what is said, a paragraph for each speaker, without times."""

from __future__ import annotations

import re
from html import unescape

from ragstone.domain import Reading
from ragstone.ingest.read.builder import Builder
from ragstone.ingest.read.decode import decode
from ragstone.ingest.read.source import Source

_TIMES = re.compile(r"\s*(?:\d+:)?\d+:\d+[.,]\d+\s+-->")
_VOICE = re.compile(r"<v(?:\.[\w.-]*)?\s+([^<>]{1,200})>")
_TAG = re.compile(r"<[^<>]{0,200}>")
_BLANK_LINES = re.compile(r"\n\s*\n")
_CUES = 12  # after which the end of a sentence ends the paragraph


def read_subtitles(source: Source) -> Reading:
    """The cues in their order; NOTE, STYLE and REGION blocks are left out."""
    builder = Builder("text/vtt" if source.name.lower().endswith(".vtt") else "application/x-subrip")
    speaker = ""
    said: list[str] = []
    for cue in _BLANK_LINES.split(decode(source.data).text):
        lines = cue.strip().split("\n")
        begins = next((number for number, line in enumerate(lines[:2]) if _TIMES.match(line)), None)
        if begins is None:
            continue
        text = " ".join(lines[begins + 1 :])
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
