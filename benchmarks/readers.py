"""How much of a file's text the readers find, and how fast: office files against expected text, PDFs against the clock.

Needs ../shared/data/office-docs (files with the text that another parser's maintainers accept as correct) and
../shared/data/sec10q (20 financial reports). Recall is the share of the expected words that are found, precision
the share of the found words that are expected; words are compared as multisets, layout is not.
"""

from __future__ import annotations

import argparse
import html
import json
import re
import sys
import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median

from ragstone.domain import Reading
from ragstone.errors import UnreadableFileError
from ragstone.ingest.read import Limits, read

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
EXPECTED = ".expected.md"
WORD = re.compile(r"\w+")
# The expected files are Markdown with marks that no document contains.
MARKUP = re.compile(r"<!-- .*? -->|\]\((?:[^()]|\([^()]*\))*\)|\[[ x]\]|\\(?=[_*#])")
LOW = 0.95


@dataclass(frozen=True)
class Score:
    """One file."""

    name: str
    recall: float
    precision: float
    milliseconds: float


def words(text: str) -> Counter[str]:
    return Counter(WORD.findall(html.unescape(MARKUP.sub(" ", text)).lower().replace("_", " ")))


def scored(path: Path) -> Score:
    began = time.perf_counter()
    reading = read(path, path.read_bytes())
    took = 1000 * (time.perf_counter() - began)
    found, expected = words(covered(reading)), words(path.with_name(path.name + EXPECTED).read_text("utf-8"))
    common = (found & expected).total()
    return Score(path.name, common / max(1, expected.total()), common / max(1, found.total()), took)


def covered(reading: Reading) -> str:
    return "\n".join(reading.text[block.start : block.end] for block in reading.blocks)


def formats(folder: Path) -> tuple[dict[str, list[Score]], dict[str, str]]:
    """Scores by format, and why the other files are not read."""
    scores: dict[str, list[Score]] = defaultdict(list)
    refused: dict[str, str] = {}
    for expected in sorted(folder.rglob(f"*{EXPECTED}")):
        path = expected.with_name(expected.name.removesuffix(EXPECTED))
        try:
            score = scored(path)
        except UnreadableFileError as error:
            refused[path.name] = str(error)
            continue
        scores[path.suffix.lower()].append(score)
    return scores, refused


def speed(folder: Path) -> list[dict[str, object]]:
    """Milliseconds a page for each PDF, without OCR."""
    rows: list[dict[str, object]] = []
    for path in sorted(folder.glob("*.pdf")):
        data = path.read_bytes()
        began = time.perf_counter()
        reading = read(path, data, Limits())
        took = time.perf_counter() - began
        pages = max((block.page or 1 for block in reading.blocks), default=1)
        rows.append(
            {
                "name": path.name,
                "pages": pages,
                "ms_per_page": 1000 * took / pages,
                "tables": sum(block.kind == "table" for block in reading.blocks),
                "headings": sum(block.kind == "heading" for block in reading.blocks),
            }
        )
    return rows


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true", help="print one JSON object")
    as_json = arguments.parse_args().json
    if not DATA.is_dir():
        sys.exit(f"{DATA} is missing: this benchmark needs the shared data beside the checkout.")
    scores, refused = formats(DATA / "office-docs")
    pdfs = speed(DATA / "sec10q" / "pdf")
    if as_json:
        found = {name: [asdict(score) for score in group] for name, group in scores.items()}
        print(json.dumps({"formats": found, "refused": refused, "pdf": pdfs}, indent=1))
        return
    print(f"{'format':10}{'files':>6}{'recall':>9}{'lowest':>9}{'precision':>11}{'ms (median)':>13}")
    for suffix, group in sorted(scores.items()):
        recalls = [score.recall for score in group]
        precision = mean(score.precision for score in group)
        middle = median(score.milliseconds for score in group)
        print(f"{suffix:10}{len(group):6}{mean(recalls):9.3f}{min(recalls):9.3f}{precision:11.3f}{middle:13.1f}")
    print("\nbelow", LOW)
    for suffix, group in sorted(scores.items()):
        for score in group:
            if score.recall < LOW:
                print(f"  {suffix:10}{score.name:45}{score.recall:7.3f}{score.precision:7.3f}")
    print("\nnot read")
    for reason in refused.values():
        print(f"  {reason}")
    total = sum(int(str(row["pages"])) for row in pdfs)
    per_page = [float(str(row["ms_per_page"])) for row in pdfs]
    print(
        f"\nsec10q: {len(pdfs)} PDFs, {total} pages, ms a page: median {median(per_page):.1f}, most {max(per_page):.1f}"
    )


if __name__ == "__main__":
    main()
