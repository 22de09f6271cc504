"""Word lists: counts the items, so that each gets the number that Word shows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ragstone.ingest.read.markup import Element
from ragstone.ingest.read.office.package import Package, name_of
from ragstone.ingest.read.office.styles import NumberingRef

_VAL = name_of("w:val")
_ROMAN = ((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Level:
    """How the items at one depth of a list are numbered."""

    form: str  # decimal, lowerLetter, bullet, ...
    pattern: str  # such as %1.%2.
    start: int = 1


@dataclass(frozen=True, slots=True)
class Label:
    """What stands in front of an item."""

    label: str
    depth: int


@dataclass(frozen=True, slots=True)
class Numbering:
    """The lists of a document, and where each of them stands."""

    levels: dict[str, dict[int, Level]] = field(default_factory=dict)
    abstract: dict[str, str] = field(default_factory=dict)  # lists that count together
    counts: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, package: Package, part: str) -> Numbering:
        """The lists that a document defines; none when their part is missing or damaged."""
        numbering = cls()
        for name in package.related(part, "numbering"):
            root = package.part(name)
            if root is None:
                continue
            known = {
                item.get(name_of("w:abstractNumId"), ""): dict(_levels(item))
                for item in root.iter(name_of("w:abstractNum"))
            }
            for item in root.iter(name_of("w:num")):
                reference = item.find(name_of("w:abstractNumId"))
                abstract = "" if reference is None else reference.get(_VAL, "")
                identifier = item.get(name_of("w:numId"), "")
                numbering.levels[identifier] = {**known.get(abstract, {}), **dict(_overrides(item))}
                restarts = item.find(f".//{name_of('w:startOverride')}") is not None
                numbering.abstract[identifier] = f"n{identifier}" if restarts else abstract
        return numbering

    def next(self, reference: NumberingRef) -> Label:
        """The label of the next item of a list."""
        depth = min(reference.depth, _DEEPEST)
        levels = self.levels.get(reference.list_id, {})
        level = levels.get(depth, Level("bullet", ""))
        counts = self.counts.setdefault(self.abstract.get(reference.list_id, reference.list_id), [])
        del counts[depth + 1 :]
        while len(counts) <= depth:
            counts.append(levels.get(len(counts), level).start - (1 if len(counts) == depth else 0))
        counts[depth] += 1
        if level.form in ("bullet", "none") or "%" not in level.pattern:
            return Label("-", depth)
        label = level.pattern
        for position, count in enumerate(counts):
            label = label.replace(f"%{position + 1}", _figure(count, levels.get(position, level).form))
        return Label(label.strip() or "-", depth)


def _levels(parent: Element) -> list[tuple[int, Level]]:
    found = []
    for item in parent.iter(name_of("w:lvl")):
        depth = item.get(name_of("w:ilvl"), "")
        start = _value(item, "w:start")
        if depth.isdigit():
            first = int(start) if re.fullmatch(r"\d{1,6}", start) else 1
            found.append((int(depth), Level(_value(item, "w:numFmt"), _value(item, "w:lvlText"), first)))
    return found


def _overrides(item: Element) -> list[tuple[int, Level]]:
    return [pair for override in item.iter(name_of("w:lvlOverride")) for pair in _levels(override)]


def _value(item: Element, name: str) -> str:
    element = item.find(name_of(name))
    return "" if element is None else str(element.get(_VAL, ""))


def _figure(count: int, form: str) -> str:
    lowered = form.lower()
    if lowered.endswith("letter") and 1 <= count <= 26:  # noqa: PLR2004  letters of the alphabet
        letter = chr(ord("a") + count - 1)
        return letter.upper() if form.startswith("upper") else letter
    if lowered.endswith("roman") and 1 <= count < 40:  # noqa: PLR2004  l, c, d and m are not needed in lists
        roman = ""
        for value, sign in _ROMAN:
            while count >= value:
                roman, count = roman + sign, count - value
        return roman.upper() if form.startswith("upper") else roman
    return str(count)
