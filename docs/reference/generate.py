"""Writes the parts of the documentation that the program itself knows.

    python docs/reference/generate.py           write them
    python docs/reference/generate.py --check   exit with 1 and name the pages that are stale

A generated part stands between `<!-- generated: NAME -->` and `<!-- end of NAME -->` in its page; what stands around
it is written by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import edges
import figures
import inside
import interface
import modelsfile

DOCS = Path(__file__).resolve().parents[1]


PARTS: dict[str, Sequence[tuple[str, Callable[[], str]]]] = {
    "reference/command-line.md": (("commands", edges.commands),),
    "reference/settings.md": (("settings", inside.settings),),
    "reference/models-file.md": (
        ("models", modelsfile.models),
        ("protocols", modelsfile.protocols),
        ("price", modelsfile.price),
        ("limits", modelsfile.limits),
        ("timeouts", modelsfile.timeouts),
        ("pool", modelsfile.pool),
    ),
    "reference/metrics.md": (("figures", figures.figures),),
    "reference/http.md": (
        ("routes", interface.routes),
        ("headers", interface.headers),
        ("statuses", interface.statuses),
        ("operations", interface.operations),
        ("schemas", interface.schemas),
    ),
    "reference/exit-codes-and-errors.md": (("errors", edges.error_classes),),
    "explanation/search.md": (("search constants", inside.search_constants),),
    "explanation/answers.md": (("answer constants", inside.answer_constants),),
    "explanation/storage.md": (("storage constants", inside.storage_constants),),
    "reference/file-formats.md": (
        ("formats", inside.formats),
        ("legacy formats", inside.legacy),
        ("limits", inside.limits),
    ),
}


def pages() -> Iterator[tuple[Path, str, str]]:
    """Each page with its present text and the text that it should have."""
    for name, parts in PARTS.items():
        page = DOCS / name
        present = wanted = page.read_text(encoding="utf-8")
        for part, write in parts:
            start, end = f"<!-- generated: {part} -->\n", f"<!-- end of {part} -->"
            before, _, rest = wanted.partition(start)
            _, found, after = rest.partition(end)
            if not found:
                sys.exit(f"{page} has no place for the part {part!r}")
            wanted = f"{before}{start}\n{write()}\n\n{end}{after}"
        yield page, present, wanted


def main() -> int:
    """Write or check every page; the exit code is 1 when a checked page is stale."""
    stale = [(page, wanted) for page, present, wanted in pages() if present != wanted]
    if sys.argv[1:] == ["--check"]:
        for page, _ in stale:
            sys.stderr.write(f"{page.name} is stale: run python docs/reference/generate.py\n")
        return int(bool(stale))
    for page, wanted in stale:
        page.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
