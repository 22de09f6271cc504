"""Who may not read a document finds no trace of it: not in hits, not in counts, not in the statistics of words."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest
from contract.samples import MODEL, Found, LibraryAndIndex, Piece, document, indexed, look, one_by_one

from ragstone.access.askers import machine, person
from ragstone.domain import Asker, Comparison, Condition, Scope, Span, Store, Tenant
from ragstone.errors import DatabaseError
from ragstone.storage import database as database_module
from ragstone.storage.catalog.stores import list_stores
from ragstone.storage.contents import index as index_module
from ragstone.storage.contents.index import PostgresIndex
from ragstone.storage.contents.library import PostgresLibrary
from ragstone.storage.database import Database

pytestmark = pytest.mark.anyio

HR = ("group:hr",)
_numbers = count()


@pytest.fixture
def alice(tenant: Tenant) -> Asker:
    return person(tenant, "alice", ["hr"], frozenset({Scope.READ, Scope.WRITE}))


@pytest.fixture
def bob(tenant: Tenant) -> Asker:
    return person(tenant, "bob", ["sales"], frozenset(Scope))


def both(database: Database, asker: Asker) -> LibraryAndIndex:
    return LibraryAndIndex(PostgresLibrary(database, asker), PostgresIndex(database, asker))


async def put(house: LibraryAndIndex, store: Store, source: str, *pieces: Piece, readers: tuple[str, ...] = ()) -> str:
    written = replace(document(source, pieces, {"number": next(_numbers)}), readers=readers)
    return await house.library.put(store, written, one_by_one(indexed(pieces)))


async def seen(
    database: Database, asker: Asker, store: Store, *terms: str, limit: int = 10, filtered: bool = False
) -> Found:
    condition = Condition(Comparison.GTE, "number", 0) if filtered else None
    async with PostgresIndex(database, asker).snapshot([store]) as snapshot:
        return await look(snapshot, terms, limit, condition)


def told(found: Found) -> object:
    """All that a search learns, but for the ids of chunks."""
    return (
        [round(found.dense[chunk_id], 6) for chunk_id in found.nearest],
        found.lexical.chunk_count,
        found.lexical.total_length,
        {
            term: sorted(zip(posting.frequencies.tolist(), posting.lengths.tolist(), strict=True))
            for term, posting in found.lexical.postings.items()
        },
        None if found.lexical.rankable is None else len(found.lexical.rankable),
    )


PUBLIC = {"/a": [Piece("granite stone", 10), Piece("stone age", 40)], "/b": [Piece("sand stone", 30)]}
SECRET = {"/s": [Piece("stone salary stone", 5), Piece("salary list", 20)], "/t": [Piece("salary stone", 35)]}


@pytest.mark.parametrize("filtered", [False, True])
@pytest.mark.parametrize("tidied", [False, True])
async def test_a_store_looks_as_if_the_unreadable_had_never_been_there(
    database: Database, asker: Asker, bob: Asker, filtered: bool, tidied: bool
) -> None:
    house = both(database, asker)
    mixed, bare = [await house.library.open_store(name, MODEL) for name in ("mixed", "bare")]
    for number in range(5):
        for source, pieces in SECRET.items():
            await put(house, mixed, f"{source}{number}", *pieces, readers=HR)
        for store in (mixed, bare):
            for source, pieces in PUBLIC.items():
                await put(house, store, f"{source}{number}", *pieces)
    # Removed secrets must not be missed in the counts either.
    await house.library.remove(mixed, ["/s0", "/a0"])
    await house.library.remove(bare, ["/a0"])
    if tidied:
        await house.library.tidy(mixed)
    words = ("stone", "salary", "list")
    found = await seen(database, bob, mixed, *words, filtered=filtered)
    assert told(found) == told(await seen(database, bob, bare, *words, filtered=filtered))
    assert "salary" not in found.lexical.postings
    stores = {store.name: store for store in await list_stores(database, bob)}
    assert (stores["mixed"].documents, stores["mixed"].chunks) == (stores["bare"].documents, stores["bare"].chunks)


async def test_readers_see_their_documents_beside_everybody_s(database: Database, asker: Asker, alice: Asker) -> None:
    house = both(database, asker)
    store = await house.library.open_store("mixed", MODEL)
    await put(house, store, "/a", Piece("public", 10))
    await put(house, store, "/s", Piece("for hr", 20), readers=HR)
    await put(house, store, "/p", Piece("for alice", 30), readers=("user:alice",))
    await put(house, store, "/o", Piece("for others", 40), readers=("group:board", "user:carol"))
    found = await seen(database, alice, store, "public", "hr", "alice", "others")
    assert sorted(found.lexical.postings) == ["alice", "hr", "public"]
    assert len(found.nearest) == 3


async def test_a_key_without_a_person_reads_what_is_meant_for_all(
    database: Database, asker: Asker, tenant: Tenant
) -> None:
    house = both(database, asker)
    store = await house.library.open_store("mixed", MODEL)
    await put(house, store, "/a", Piece("public", 10))
    await put(house, store, "/s", Piece("for hr", 20), readers=HR)
    assert len((await seen(database, machine(tenant, frozenset({Scope.READ})), store)).nearest) == 1
    assert len((await seen(database, machine(tenant, frozenset({Scope.ADMIN})), store)).nearest) == 2


async def test_chunks_and_quotes_cannot_be_had_by_their_ids(
    database: Database, asker: Asker, alice: Asker, bob: Asker
) -> None:
    house = both(database, asker)
    store = await house.library.open_store("mixed", MODEL)
    file_id = await put(house, store, "/s", Piece("the secret salary", 10), readers=HR)
    (chunk_id,) = (await seen(database, alice, store)).nearest
    for reader, visible in ((alice, True), (bob, False)):
        index = PostgresIndex(database, reader)
        async with index.snapshot([store]) as snapshot:
            assert bool(await snapshot.passages([chunk_id])) is visible
            assert bool(await snapshot.dense(indexed([Piece("x", 0)])[0].vector, 5, None, [chunk_id])) is visible
        assert await index.quotes([store], [Span(file_id, 0, 10)]) == [frozenset({"the secret"} if visible else ())]


async def test_top_k_is_filled_although_nearly_all_is_unreadable(
    database: Database, asker: Asker, bob: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = both(database, asker)
    store = await house.library.open_store("mixed", MODEL)
    # The unreadable lies nearer, so that an index that looks at a few candidates meets nothing else.
    for number in range(40):
        await put(house, store, f"/s{number}", *[Piece(f"secret {part}", part / 10) for part in range(20)], readers=HR)
    await put(house, store, "/public", *[Piece(f"public {part}", 60 + part) for part in range(20)])
    monkeypatch.setattr(index_module, "SCAN_UP_TO", 0)
    hasty = database_module._SESSION.replace(b"max_scan_tuples = 40000", b"max_scan_tuples = 100")
    assert hasty != database_module._SESSION
    monkeypatch.setattr(database_module, "_SESSION", hasty)
    impatient = Database(database._dsn, size=1)
    await impatient.open()
    for filtered in (False, True):
        assert len((await seen(impatient, bob, store, limit=15, filtered=filtered)).nearest) == 15
    await impatient.close()


async def test_new_readers_hold_for_the_whole_document_at_once(
    database: Database, asker: Asker, alice: Asker, bob: Asker
) -> None:
    house = both(database, asker)
    store = await house.library.open_store("mixed", MODEL)
    await put(house, store, "/a", Piece("salary", 10))
    assert len((await seen(database, bob, store, "salary")).nearest) == 1
    await put(house, store, "/a", Piece("salary", 10), readers=HR)
    hidden, shown = await seen(database, bob, store, "salary"), await seen(database, alice, store, "salary")
    assert (list(hidden.nearest), hidden.lexical.chunk_count, dict(hidden.lexical.postings)) == ([], 0, {})
    assert (len(shown.nearest), shown.lexical.chunk_count) == (1, 1)


async def test_nobody_hides_a_document_from_himself(database: Database, asker: Asker, bob: Asker) -> None:
    store = await both(database, asker).library.open_store("mixed", MODEL)
    with pytest.raises(Exception, match="leave out the one"):
        await put(both(database, bob), store, "/a", Piece("salary", 10), readers=HR)
    assert await both(database, bob).library.known(store) == {}


async def test_without_entering_nobody_reads_anything(database: Database, asker: Asker) -> None:
    house = both(database, asker)
    store = await house.library.open_store("mixed", MODEL)
    await put(house, store, "/a", Piece("public", 10))
    async with database.connection() as connection:
        for table in ("chunk", "document", "file", "segment", "posting"):
            cursor = await connection.execute(f"SELECT count(*) FROM {table}".encode())
            assert await cursor.fetchone() == (0,), table
    with pytest.raises(DatabaseError):
        async with database.connection() as connection:
            await connection.execute("INSERT INTO audience (tenant_id, readers, readers_key) VALUES (1, '{x}', '')")
