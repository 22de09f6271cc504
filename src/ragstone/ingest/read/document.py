"""Reads one file, whichever kind it is."""

from __future__ import annotations

from ragstone.domain import Reading
from ragstone.ingest.read.kinds import Kind, kind_of
from ragstone.ingest.read.mail import read_mail
from ragstone.ingest.read.registry import READERS
from ragstone.ingest.read.source import Source


def read_source(source: Source) -> Reading:
    """The text and blocks of a file or an attachment; raises as `read` does."""
    kind = kind_of(source)
    try:
        reading = read_mail(source, read_source) if kind is Kind.MAIL else READERS[kind](source)
    except RecursionError as error:
        raise source.unreadable(
            "its content is nested too deeply", "Simplify it in the program it was made with."
        ) from error
    except MemoryError as error:
        raise source.unreadable("it needs more memory than allowed", "Split it into smaller files.") from error
    if not reading.blocks and not reading.warnings:
        raise source.unreadable("it holds no text", "Fill it or remove it.")
    if not reading.blocks:
        raise source.unreadable("it holds no text", _sentence(reading.warnings[0]))
    return reading


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + ("" if words.endswith(".") else ".")
