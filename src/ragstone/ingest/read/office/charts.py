"""Charts: their title and the figures that they were drawn from, as the file caches them."""

from __future__ import annotations

from ragstone.ingest.read.builder import Builder
from ragstone.ingest.read.markup import Element
from ragstone.ingest.read.office.package import name_of

_MOST_POINTS = 1000  # of a series; more is a measurement, not a statement


def write_chart(builder: Builder, root: Element, *, figures: bool) -> None:
    """Add a chart's title, and on demand its figures: a row for each category, a column for each series."""
    title = root.find(f"{name_of('c:chart')}/{name_of('c:title')}")
    if title is not None:
        builder.paragraph("".join(text.text or "" for text in title.iter(name_of("a:t"))))
    if not figures:
        return
    names, columns = [""], []
    categories: dict[int, str] = {}
    for series in root.iter(name_of("c:ser")):
        categories |= _points(series, "c:cat")
        names.append(" ".join(_points(series, "c:tx").values()))
        columns.append(_points(series, "c:val"))
    rows = [[category, *(column.get(number, "") for column in columns)] for number, category in categories.items()]
    if rows:
        builder.table([names, *rows], header=True)


def _points(series: Element, name: str) -> dict[int, str]:
    """Cached values by their position."""
    found: dict[int, str] = {}
    element = series.find(name_of(name))
    for point in [] if element is None else element.iter(name_of("c:pt")):
        position = point.get("idx", "")
        if position.isdigit() and len(found) < _MOST_POINTS:
            found[int(position)] = point.findtext(name_of("c:v")) or ""
    return found
