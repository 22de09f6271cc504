"""Jupyter notebooks: their cells as one Markdown text, code in fences."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from ragstone.domain import Reading
from ragstone.ingest.read.decode import decode
from ragstone.ingest.read.markdown import read_markdown
from ragstone.ingest.read.source import Source

_LONGEST_OUTPUT = 2000  # characters; more is a log or a dump


def read_notebook(source: Source) -> Reading:
    """Markdown cells as they stand, code cells and their short text outputs as code."""
    try:
        cells = json.loads(decode(source.data).text)["cells"]
        text = "\n\n".join(part for cell in cells for part in _parts(cell) if part.strip())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise source.unreadable("it is no notebook", "Open it in Jupyter and save it again.") from error
    reading = read_markdown(replace(source, data=text.encode("utf-8", "replace")))
    return replace(reading, media_type="application/x-ipynb+json")


def _parts(cell: dict[str, object]) -> Iterator[str]:
    text = _joined(cell.get("source"))
    if cell.get("cell_type") != "code":
        yield text
        return
    yield _fenced(text)
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else []:
        data = output.get("data") or {}
        printed = _joined(output.get("text") or data.get("text/markdown") or data.get("text/plain"))
        if len(printed) <= _LONGEST_OUTPUT:
            yield _fenced(printed)


def _fenced(text: str) -> str:
    fence = "```" if "```" not in text else "~~~~~~"
    return f"{fence}\n{text.rstrip()}\n{fence}" if text.strip() else ""


def _joined(text: object) -> str:
    return "".join(map(str, text)) if isinstance(text, list) else str(text or "")
