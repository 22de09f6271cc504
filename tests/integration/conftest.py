"""A look past all policies, and homes of embedded servers for tests that start, end and kill one of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from embedded_users import fresh_home, open_folder
from places import superuser

from ragstone.storage.embedded import EmbeddedServer


@pytest.fixture
def admin(server: EmbeddedServer, database_name: str) -> Iterator[psycopg.Connection]:
    with superuser(server, database_name) as connection:
        yield connection


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
