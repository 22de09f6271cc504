"""Homes of embedded servers for tests that start, end and kill one of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from embedded_users import fresh_home, open_folder


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that every user can get to."""
    with open_folder() as path:
        yield path


@pytest.fixture
def stopped_home(open_place: Path) -> Path:
    """A home with databases and no server; where root made it, behind a door closed to the server's user."""
    (open_place / "closed").mkdir(mode=0o700)
    return fresh_home(open_place / "closed" / "home")
