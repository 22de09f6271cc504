"""Running headers, footers and page numbers: what most pages repeat is said once."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from ragstone.ingest.read.pdf.lines import Line

_AT_EDGE = 3  # lines from the top or the bottom of a page
_ZONE = 0.15  # of the page's height
_PAGES = 3  # fewer repetitions are chance
_SHARE = 0.3  # of the pages; left and right pages may differ, and chapters too
_NUMBER_OFF = 25  # pages of a cover and a table of contents in front of the first counted one
_DIGITS = re.compile(r"\d+")
_PAGE_NUMBER = re.compile(r"(?:page|p\.|seite|página)?\s*[-–|]?\s*(?:\d{1,4}|[ivxl]{1,6})\s*[-–|]?", re.IGNORECASE)  # noqa: RUF001
_OF = re.compile(r"(?:page|seite)\s+\d{1,4}\s+(?:of|von|/)\s+\d{1,4}", re.IGNORECASE)


def without_margins(pages: Sequence[list[Line]], heights: Sequence[float]) -> list[list[Line]]:
    """The lines of each page without those that pages repeat; the first occurrence of each stays."""
    places = [_at_edges(lines, height) for lines, height in zip(pages, heights, strict=True)]
    repeated: dict[str, int] = defaultdict(int)
    for place in places:
        for key in set(place.values()):
            repeated[key] += 1
    enough = max(_PAGES, _SHARE * len(pages))
    said: set[str] = set()
    kept = []
    for lines, place in zip(pages, places, strict=True):
        running = {number for number, key in place.items() if repeated[key] >= enough}
        counted = {number for number in place if _counts_pages(lines[number].text)} | set(_last_number(lines))
        first = {number for number in running - counted if place[number] not in said}
        said.update(place[number] for number in first)
        dropped = (running | counted) - first
        kept.append([line for number, line in enumerate(lines) if number not in dropped])
    return kept


def _last_number(lines: Sequence[Line]) -> list[int]:
    """The lowest line of a page that ends early, if it is near the page's number."""
    lowest = max(range(len(lines)), key=lambda number: lines[number].top, default=0)
    text = lines[lowest].text if lines else ""
    is_count = text.isdigit() and len(text) <= 4 and abs(int(text) - lines[lowest].page) <= _NUMBER_OFF  # noqa: PLR2004
    return [lowest] if is_count else []


def _counts_pages(text: str) -> bool:
    return bool(_PAGE_NUMBER.fullmatch(text) or _OF.fullmatch(text))


def _at_edges(lines: Sequence[Line], height: float) -> dict[int, str]:
    """What the outermost lines say, by their index; figures are alike, for they count pages."""
    order = sorted(range(len(lines)), key=lambda number: lines[number].top)
    above = [number for number in order[:_AT_EDGE] if lines[number].top < _ZONE * height]
    below = [number for number in order[-_AT_EDGE:] if lines[number].bottom > (1 - _ZONE) * height]
    keys = {number: f"above {_DIGITS.sub('#', lines[number].text)}" for number in above}
    return keys | {number: f"below {_DIGITS.sub('#', lines[number].text)}" for number in below if number not in keys}
