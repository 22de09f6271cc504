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
_DIGITS = re.compile(r"(?<!\d)\d{1,4}(?!\d)")
_LONE_NUMBER = re.compile(r"[-–|]?\s*(\d{1,4})\s*[-–|]?")  # noqa: RUF001
_PAGE_NUMBER = re.compile(r"(?:page|p\.|seite|página)\s*[-–|]?\s*\d{1,4}\s*[-–|]?", re.IGNORECASE)  # noqa: RUF001
_ROMAN_NUMBER = re.compile(r"(?:page|p\.|seite|página)?\s*[-–|]?\s*[ivxl]{1,6}\s*[-–|]?", re.IGNORECASE)  # noqa: RUF001
_OF = re.compile(r"(?:page|seite)\s+\d{1,4}\s+(?:of|von|/)\s+\d{1,4}", re.IGNORECASE)


def without_margins(pages: Sequence[list[Line]], heights: Sequence[float]) -> list[list[Line]]:
    """The lines of each page without those that pages repeat; the first occurrence of each stays."""
    places = [_at_edges(lines, height) for lines, height in zip(pages, heights, strict=True)]
    repeated: dict[str, int] = defaultdict(int)
    for place in places:
        for key in set().union(*place.values()):
            repeated[key] += 1
    enough = max(_PAGES, _SHARE * len(pages))
    said: set[str] = set()
    kept = []
    for lines, place in zip(pages, places, strict=True):
        running = {
            number: often
            for number, keys in place.items()
            if (often := {key for key in keys if repeated[key] >= enough})
        }
        counted = {number for number in place if _counts_pages(lines[number])} | set(_last_number(lines))
        first = {number for number in running.keys() - counted if not running[number] & said}
        said.update(*(running[number] for number in first))
        dropped = (running.keys() | counted) - first
        kept.append([line for number, line in enumerate(lines) if number not in dropped])
    return kept


def _last_number(lines: Sequence[Line]) -> list[int]:
    """The lowest line of a page that ends early, if it is near the page's number."""
    lowest = max(range(len(lines)), key=lambda number: lines[number].top, default=0)
    return [lowest] if lines and lines[lowest].text.isdigit() and _counts_pages(lines[lowest]) else []


def _counts_pages(line: Line) -> bool:
    """Whether a line is a page number; a lone figure is one only near the page's own, for it may be a quantity."""
    if lone := _LONE_NUMBER.fullmatch(line.text):
        return _is_near(lone.group(1), line.page)
    return any(form.fullmatch(line.text) for form in (_PAGE_NUMBER, _ROMAN_NUMBER, _OF))


def _is_near(figure: str, page: int) -> bool:
    return abs(int(figure) - page) <= _NUMBER_OFF


def _at_edges(lines: Sequence[Line], height: float) -> dict[int, set[str]]:
    """What the outermost lines say, by their index."""
    order = sorted(range(len(lines)), key=lambda number: lines[number].top)
    above = [number for number in order[:_AT_EDGE] if lines[number].top < _ZONE * height]
    below = [number for number in order[-_AT_EDGE:] if lines[number].bottom > (1 - _ZONE) * height]
    keys = {number: {f"above {form}" for form in _forms(lines[number])} for number in above}
    return keys | {
        number: {f"below {form}" for form in _forms(lines[number])} for number in below if number not in keys
    }


def _forms(line: Line) -> set[str]:
    """A line as it is, and with each figure that may count pages as its distance from the page's number.

    Only a figure that moves with the pages gives the same distance on each of them: the numbers of invoices, totals
    and years stay different lines. Beside words, one that is far off may count something else, such as years.
    """
    text = line.text
    lone = _LONE_NUMBER.fullmatch(text)
    counts = [found for found in _DIGITS.finditer(text) if lone or _is_near(found.group(), line.page)]
    return {text} | {
        f"{text[: found.start()]}#{int(found.group()) - line.page}#{text[found.end() :]}" for found in counts
    }
