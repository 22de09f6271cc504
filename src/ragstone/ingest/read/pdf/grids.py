"""Ruled tables: rules that touch make a grid, and each word falls into the cell around its middle."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ragstone.ingest.read.pdf.columns import Table
from ragstone.ingest.read.pdf.lines import Line
from ragstone.ingest.read.pdf.rules import Rule, Rules
from ragstone.ingest.read.tables import has_header

_TOUCH = 3.0  # points
_LEAST = 2  # rows and columns
_LONGEST_CELL = 1500  # characters; more is a framed page


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the rules of one table stand, ascending."""

    xs: list[float]
    ys: list[float]

    def holds(self, line: Line) -> bool:
        """Whether the middle of a line lies inside."""
        middle = (line.top + line.bottom) / 2
        return (
            self.ys[0] <= middle <= self.ys[-1] and self.xs[0] - _TOUCH <= (line.left + line.right) / 2 <= self.xs[-1]
        )


def grids_of(rules: Rules) -> list[Grid]:
    """The grids of a page from the top down."""
    if not rules.enough:
        return []
    grids = []
    for across, down in _touching(rules):
        grid = Grid(_places(down), _places(across))
        if len(grid.xs) > _LEAST and len(grid.ys) > _LEAST:
            grids.append(grid)
    return sorted(grids, key=lambda grid: grid.ys[0])


def fill(grid: Grid, lines: Sequence[Line]) -> Table | None:
    """The table of a grid from the lines inside; None when the rules frame something else."""
    cells: dict[tuple[int, int], list[str]] = {}
    for line in lines:
        row = _index(grid.ys, (line.top + line.bottom) / 2)
        for word in line.words:
            column = _index(grid.xs, (word.left + word.right) / 2)
            cells.setdefault((row, column), []).append(word.text)
    rows = [
        [" ".join(cells.get((row, column), [])) for column in range(len(grid.xs) - 1)]
        for row in range(len(grid.ys) - 1)
    ]
    rows = [row for row in rows if any(row)]
    used = {column for row in rows for column, cell in enumerate(row) if cell}
    if len(rows) < _LEAST or len(used) < _LEAST or max(len(cell) for row in rows for cell in row) > _LONGEST_CELL:
        return None
    return Table(rows, has_header(rows))


def _index(places: Sequence[float], place: float) -> int:
    return min(max(bisect_right(places, place) - 1, 0), len(places) - 2)


def _places(rules: Sequence[Rule]) -> list[float]:
    """Places of rules; those that touch count once."""
    places: list[float] = []
    for rule in sorted(rules, key=lambda rule: rule.place):
        if not places or rule.place - places[-1] > _TOUCH:
            places.append(rule.place)
    return places


def _touching(rules: Rules) -> list[tuple[list[Rule], list[Rule]]]:
    """Rules by the table that they belong to: those that cross or meet each other, directly or through others."""
    across = np.array([(rule.place, rule.start, rule.end) for rule in rules.across])
    down = np.array([(rule.place, rule.start, rule.end) for rule in rules.down])
    meets = (
        (across[:, None, 1] - _TOUCH <= down[None, :, 0])
        & (down[None, :, 0] <= across[:, None, 2] + _TOUCH)
        & (down[None, :, 1] - _TOUCH <= across[:, None, 0])
        & (across[:, None, 0] <= down[None, :, 2] + _TOUCH)
    )
    group = np.arange(len(across))
    while True:
        of_down = np.where(meets, group[:, None], len(across)).min(axis=0)
        of_across = np.minimum(group, np.where(meets, of_down[None, :], len(across)).min(axis=1))
        if np.array_equal(of_across, group):
            break
        group = of_across
    return [
        (
            [rule for rule, number in zip(rules.across, group, strict=True) if number == which],
            [rule for rule, number in zip(rules.down, of_down, strict=True) if number == which],
        )
        for which in np.unique(group)
    ]
