"""Lines of a text with their offsets, for the line-based markup formats."""

from __future__ import annotations

from itertools import accumulate


def line_starts(text: str) -> list[int]:
    r"""Offset of each line, and at last the offset behind the text; lines end with "\n" only."""
    lengths = (len(line) + 1 for line in text.split("\n"))
    starts = [0, *accumulate(lengths)]
    starts[-1] = len(text)
    return starts
