"""Which implementations the contract is put to."""

from __future__ import annotations

import pytest
from contract.samples import LibraryAndIndex

from ragstone.domain import Asker
from ragstone.fakes.memory import Memory, MemoryIndex, MemoryLibrary
from ragstone.storage.contents.index import PostgresIndex
from ragstone.storage.contents.library import PostgresLibrary
from ragstone.storage.database import Database


@pytest.fixture
def memory() -> LibraryAndIndex:
    shared = Memory()
    return LibraryAndIndex(MemoryLibrary(shared), MemoryIndex(shared))


@pytest.fixture
async def postgres(anyio_backend: str, database: Database, asker: Asker) -> LibraryAndIndex:
    return LibraryAndIndex(PostgresLibrary(database, asker), PostgresIndex(database, asker))


@pytest.fixture(params=["memory", "postgres"])
def library_and_index(request: pytest.FixtureRequest) -> LibraryAndIndex:
    both: LibraryAndIndex = request.getfixturevalue(request.param)
    return both
