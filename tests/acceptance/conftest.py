"""One data folder with a few documents for the tests that only read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from acceptance.shipped import Ragstone
from folders import open_folder

HANDBOOK = """# Handbook

## Keys

A key is rotated every ninety days. The old key stays valid for one more week.

## Backups

Backups run at two in the morning and are kept for thirty days.
"""

TRAVEL = """Travel policy

Trains are booked in second class. Flights need the approval of the department head.
Receipts are handed in within four weeks after the journey.
"""

PRICES = "product,price\nGranite slab,120\nMarble slab,310\nSandstone block,45\n"


def write_documents(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "handbook.md").write_text(HANDBOOK)
    (folder / "travel.txt").write_text(TRAVEL)
    (folder / "prices.csv").write_text(PRICES)


@pytest.fixture(scope="session")
def library() -> Iterator[Ragstone]:
    """A data folder whose store `default` holds three documents."""
    home = open_folder("ragstone-acceptance-")
    program = Ragstone(home, {})
    documents = home / "documents"
    write_documents(documents)
    # Somebody who holds on to the server spares every command of the tests its start.
    with program.serving():
        outcome = program("ingest", documents, "--attribute", "year=2026")
        assert outcome.status == 0, outcome.err
        yield program
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def service(library: Ragstone) -> Iterator[str]:
    """The address of a service over the same data folder."""
    with library.serving() as address:
        yield address


@pytest.fixture
def fresh() -> Iterator[Ragstone]:
    """A data folder with nothing in it."""
    home = open_folder("ragstone-fresh-")
    yield Ragstone(home, {})
    shutil.rmtree(home, ignore_errors=True)
