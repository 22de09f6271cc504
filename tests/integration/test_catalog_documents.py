"""Files in stores: attached, described, given other attributes and readers, read, taken out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from clerks import Office, get, make_store, post, refusal, upload
from contract.samples import MODEL, QUESTION, Piece, document, indexed, one_by_one

from ragstone.access.askers import person
from ragstone.domain import Asker, Scope, Tenant
from ragstone.storage.catalog import documents as documents_module
from ragstone.storage.contents.compaction import compact
from ragstone.storage.contents.index import PostgresIndex
from ragstone.storage.contents.library import PostgresLibrary
from ragstone.storage.database import Database

pytestmark = pytest.mark.anyio

STATIC = {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 50}}
OTHER = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}


@pytest.fixture
def office(anyio_backend: str, database: Database, tenant: Tenant) -> Office:
    return Office(database, tenant)


@pytest.fixture
async def client(office: Office) -> AsyncIterator[httpx.AsyncClient]:
    async with office.caller() as client:
        yield client


@pytest.fixture
async def alice(office: Office) -> AsyncIterator[httpx.AsyncClient]:
    async with office.caller("alice", ["hr"]) as client:
        yield client


@pytest.fixture
async def bob(office: Office) -> AsyncIterator[httpx.AsyncClient]:
    async with office.caller("bob", ["sales"]) as client:
        yield client


@pytest.fixture
async def store(client: httpx.AsyncClient) -> str:
    return await make_store(client, name="books")


async def attach(client: httpx.AsyncClient, store: str, file: str, **more: Any) -> Any:
    return await post(client, f"/vector_stores/{store}/files", file_id=file, **more)


async def attempts(office: Office) -> list[tuple[object, ...]]:
    return await office.rows("SELECT state, attempt FROM task ORDER BY id")


# Attaching


async def test_attaching_returns_at_once_while_the_file_waits(
    office: Office, client: httpx.AsyncClient, store: str
) -> None:
    file = await upload(client)
    made = await attach(client, store, file, attributes={"year": 2024, "open": True, "kind": "a", "part": 0.5})
    assert (made["id"], made["vector_store_id"], made["status"]) == (file, store, "in_progress")
    assert (made["last_error"], made["usage_bytes"]) == (None, 0)
    assert made["attributes"] == {"year": 2024, "open": True, "kind": "a", "part": 0.5}
    assert made["chunking_strategy"]["static"] == {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 0}
    assert await attempts(office) == [("waiting", 0)]
    answer = await client.get(f"/vector_stores/{store}/files/{file}")
    assert answer.json() == made
    assert answer.headers["openai-poll-after-ms"] == "500"
    await office.finish(store, file)
    answer = await client.get(f"/vector_stores/{store}/files/{file}")
    assert answer.json()["status"] == "completed"
    assert "openai-poll-after-ms" not in answer.headers


async def test_what_was_asked_for_the_chunks_is_told(client: httpx.AsyncClient, store: str) -> None:
    assert (await attach(client, store, await upload(client), chunking_strategy=STATIC))["chunking_strategy"] == STATIC


async def test_a_file_that_cannot_be_read_says_why(office: Office, client: httpx.AsyncClient, store: str) -> None:
    file = await upload(client)
    await attach(client, store, file)
    await office.fail(file, "unsupported_file", "it is a picture")
    failed = await get(client, f"/vector_stores/{store}/files/{file}")
    assert failed["last_error"] == {"code": "unsupported_file", "message": "it is a picture"}


async def test_attaching_again_changes_nothing_that_is_done_or_on_its_way(
    office: Office, client: httpx.AsyncClient, store: str
) -> None:
    file = await upload(client)
    made = await attach(client, store, file, attributes={"a": 1})
    assert await attach(client, store, file) == made
    assert await attempts(office) == [("waiting", 0)]
    await office.finish(store, file)
    again = await attach(client, store, file)
    assert (again["status"], again["attributes"]) == ("completed", {"a": 1})
    assert await attempts(office) == []


@pytest.mark.parametrize("outcome", ["failed", "cancelled"])
async def test_attaching_again_tries_again_what_failed_or_was_cancelled(
    office: Office, client: httpx.AsyncClient, store: str, outcome: str
) -> None:
    file = await upload(client)
    await attach(client, store, file, attributes={"a": 1})
    await office.fail(file)
    await office.rows("UPDATE document SET status = %s RETURNING id", outcome)
    again = await attach(client, store, file)
    assert (again["status"], again["last_error"], again["attributes"]) == ("in_progress", None, {"a": 1})
    assert await attempts(office) == [("waiting", 0)]


async def test_attaching_again_with_another_strategy_reads_the_file_again(
    office: Office, client: httpx.AsyncClient, store: str
) -> None:
    file = await upload(client)
    await attach(client, store, file, chunking_strategy=STATIC)
    await office.finish(store, file)
    assert (await attach(client, store, file, chunking_strategy=STATIC))["status"] == "completed"
    assert (await attach(client, store, file, chunking_strategy=OTHER))["status"] == "in_progress"
    # What it said before is found until it is read again.
    assert len((await post(client, f"/vector_stores/{store}/search", query="granite"))["data"]) == 2
    await office.rows("UPDATE task SET state = 'running', attempt = 4, worker = 'w' RETURNING id")
    await attach(client, store, file)
    assert await attempts(office) == [("waiting", 5)]  # whoever works on it with the strategy of before has lost it


async def test_attaching_again_takes_over_new_attributes(client: httpx.AsyncClient, store: str) -> None:
    file = await upload(client)
    await attach(client, store, file, attributes={"a": 1})
    assert (await attach(client, store, file, attributes={"b": 2}))["attributes"] == {"b": 2}


async def test_a_file_that_is_attached_twice_at_once_is_there_once(
    office: Office, client: httpx.AsyncClient, store: str
) -> None:
    file = await upload(client)
    answers = await asyncio.gather(
        *(client.post(f"/vector_stores/{store}/files", json={"file_id": file}) for _ in range(8))
    )
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert 200 in {answer.status_code for answer in answers}
    assert (await office.count("document"), await office.count("task")) == (1, 1)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "file_id"),
        ({"file_id": "F", "attributes": {str(number): 1 for number in range(17)}}, "attributes"),
        ({"file_id": "F", "attributes": {"k" * 65: 1}}, f"attributes.{'k' * 65}.[key]"),
        ({"file_id": "F", "attributes": {"k": {"nested": 1}}}, "attributes.k.bool"),
        ({"file_id": "F", "attributes": {"k": None}}, "attributes.k.bool"),
        ({"file_id": "F", "chunking_strategy": {"type": "static", "static": {"max_chunk_size_tokens": 99}}}, None),
        (
            {
                "file_id": "F",
                "chunking_strategy": {
                    "type": "static",
                    "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 51},
                },
            },
            "chunking_strategy.static.static",
        ),
        ({"file_id": "F", "readers": ["alice"]}, "readers.0"),
        ({"file_id": "F", "readers": ["user:alice"]}, "readers"),
    ],
)
async def test_what_does_not_fit_is_refused(
    office: Office, client: httpx.AsyncClient, store: str, body: dict[str, Any], param: str | None
) -> None:
    if body.get("file_id"):
        body = {**body, "file_id": await upload(client)}
    error = await refusal(client.post(f"/vector_stores/{store}/files", json=body))
    assert param is None or error["param"] == param
    assert await office.count("document") == 0


async def test_a_long_text_is_no_attribute(client: httpx.AsyncClient, store: str) -> None:
    file = await upload(client)
    body: dict[str, Any] = {"file_id": file, "attributes": {"k": "v" * 513}}
    await refusal(client.post(f"/vector_stores/{store}/files", json=body))
    assert (await attach(client, store, file, attributes={"k": "v" * 512}))["attributes"] == {"k": "v" * 512}


async def test_a_file_that_the_caller_may_not_read_cannot_be_attached(
    alice: httpx.AsyncClient, bob: httpx.AsyncClient, store: str
) -> None:
    file = await upload(alice, readers="group:hr")
    path = f"/vector_stores/{store}/files"
    foreign = await refusal(bob.post(path, json={"file_id": file}), 404)
    unknown = await refusal(bob.post(path, json={"file_id": "file-none"}), 404)
    assert {**foreign, "message": foreign["message"].replace(file, "file-none")} == unknown
    foreign = await refusal(bob.post("/vector_stores", json={"file_ids": [file]}), 404)
    assert foreign["message"].replace(file, "file-none") == unknown["message"]


# Listing


async def test_the_files_of_a_store_are_listed_by_status_and_in_pages(
    office: Office, client: httpx.AsyncClient, store: str
) -> None:
    files = [await upload(client, name=f"{number}.txt") for number in range(5)]
    for file in files:
        await attach(client, store, file)
    await office.finish(store, files[1])
    await office.fail(files[3])
    path = f"/vector_stores/{store}/files"

    async def listed(**parameters: Any) -> list[str]:
        return [file["id"] for file in (await get(client, path, **parameters))["data"]]

    assert await listed() == files[::-1]
    assert await listed(filter="completed") == [files[1]]
    assert await listed(filter="failed") == [files[3]]
    assert await listed(filter="in_progress", order="asc") == [files[0], files[2], files[4]]
    assert await listed(filter="cancelled") == []
    assert await listed(limit=2, order="asc") == files[:2]
    await client.delete(f"{path}/{files[1]}")
    assert await listed(limit=2, order="asc", after=files[1]) == files[2:4]
    assert await listed(limit=2, before=files[2]) == [files[4], files[3]]
    assert (await refusal(client.get(path, params={"filter": "done"})))["param"] == "filter"
    elsewhere = await upload(client)
    assert (await refusal(client.get(path, params={"after": elsewhere})))["param"] == "after"


# Attributes and readers


async def found(client: httpx.AsyncClient, store: str, query: str = "granite", **more: Any) -> list[str]:
    """The files that a search finds."""
    hits = (await post(client, f"/vector_stores/{store}/search", query=query, **more))["data"]
    return [hit["file_id"] for hit in hits]


async def test_new_attributes_are_in_force_for_the_next_search(
    office: Office, client: httpx.AsyncClient, store: str
) -> None:
    file = await upload(client)
    await attach(client, store, file, attributes={"year": 2023})
    await office.finish(store, file)
    filters = {"type": "eq", "key": "year", "value": 2024}
    assert await found(client, store, filters=filters) == []
    changed = await post(client, f"/vector_stores/{store}/files/{file}", attributes={"year": 2024})
    assert (changed["attributes"], changed["status"]) == ({"year": 2024}, "completed")
    assert set(await found(client, store, filters=filters)) == {file}
    assert (await post(client, f"/vector_stores/{store}/files/{file}"))["attributes"] == {"year": 2024}
    assert (await post(client, f"/vector_stores/{store}/files/{file}", attributes=None))["attributes"] == {}


async def lexical(database: Database, asker: Asker, store: str) -> Any:
    """What the lexical index tells an asker of a store, but for ids."""
    index = PostgresIndex(database, asker)
    async with index.snapshot([await index.store(store)]) as snapshot:
        told = await snapshot.lexical(["granit", "marbl"], None)
        dense = await snapshot.dense(QUESTION, 10, None)
    frequencies = {term: posting.frequencies.tolist() for term, posting in told.postings.items()}
    return told.chunk_count, told.total_length, frequencies, sorted(round(score, 4) for score in dense.values())


async def test_new_readers_find_what_the_former_ones_do_not_find_any_more(
    office: Office, database: Database, alice: httpx.AsyncClient, bob: httpx.AsyncClient, store: str
) -> None:
    file = await upload(alice, readers='["user:alice", "group:sales"]')
    await post(alice, f"/vector_stores/{store}/file_batches", file_ids=[file])
    await office.finish(store, file)
    path = f"/vector_stores/{store}/files/{file}"
    as_alice = person(office.tenant, "alice", ["hr"], frozenset({Scope.READ}))
    as_bob = person(office.tenant, "bob", ["sales"], frozenset({Scope.READ}))
    first_told = await lexical(database, as_bob, store)
    assert set(await found(bob, store)) == {file}
    before = await office.rows("SELECT id, body, heading, turns, page FROM chunk ORDER BY id")

    changed = await post(alice, path, readers=["group:hr"])
    assert (changed["readers"], changed["status"]) == (["group:hr"], "completed")
    for query in ("granite", "marble"):
        assert await found(bob, store, query=query) == []
        assert set(await found(alice, store, query=query)) == {file}
    assert await lexical(database, as_bob, store) == (0, 0, {}, [])
    told = await lexical(database, as_alice, store)
    assert (told[0], told[3]) == (first_told[0], first_told[3])
    for request in (bob.get(path), bob.get(f"{path}/content"), bob.delete(path), bob.post(path, json={})):
        assert (await refusal(request, 404))["code"] == "not_found"
    assert (await get(bob, f"/vector_stores/{store}"))["file_counts"]["total"] == 0
    assert (await get(bob, f"/vector_stores/{store}/files"))["data"] == []
    assert await get(bob, f"/files/{file}")  # the file itself is another thing
    after = await office.rows("SELECT id, body, heading, turns, page FROM chunk ORDER BY id")
    assert [row[1:] for row in after] == [row[1:] for row in before]
    assert {row[0] for row in after}.isdisjoint(row[0] for row in before)
    assert await office.rows("SELECT count(DISTINCT audience_id) FROM file_batch_item NATURAL JOIN document") == [(1,)]

    await post(alice, path, readers=[])  # and to everybody
    assert set(await found(bob, store)) == {file}
    assert (await get(bob, path))["readers"] == []
    assert await office.count("document_version") == 1


async def test_terms_are_made_again_for_the_new_readers(
    office: Office, database: Database, alice: httpx.AsyncClient, store: str
) -> None:
    """The samples of the tests have plain words as terms; the analyzer's are what a search asks for."""
    file = await upload(alice)
    await attach(alice, store, file)
    await office.finish(store, file, [Piece("Polishing granite slabs")])
    await post(alice, f"/vector_stores/{store}/files/{file}", readers=["user:alice"])
    terms = await office.rows(
        "SELECT term FROM posting p JOIN segment s ON s.id = p.segment_id WHERE p.audience_id > 0 ORDER BY term"
    )
    assert {row[0] for row in terms} >= {"granit", "slab", "polish"}


async def test_what_was_handed_over_survives_the_merging_of_segments(
    office: Office, database: Database, asker: Asker, alice: httpx.AsyncClient, store: str
) -> None:
    files = [await upload(alice, name=f"{number}.txt") for number in range(9)]
    for file in files:
        await attach(alice, store, file)
        await office.finish(store, file)
        await post(alice, f"/vector_stores/{store}/files/{file}", readers=["user:alice"])
    as_alice = person(office.tenant, "alice", [], frozenset({Scope.READ}))
    told = await lexical(database, as_alice, store)
    await compact(database, asker, await PostgresIndex(database, asker).store(store))
    assert await office.count("tombstone") == 0
    assert await lexical(database, as_alice, store) == told
    assert set(await found(alice, store, max_num_results=50)) == set(files)


async def test_a_document_that_is_still_read_gets_its_new_readers(
    office: Office, alice: httpx.AsyncClient, bob: httpx.AsyncClient, store: str
) -> None:
    file = await upload(alice)
    await attach(alice, store, file)
    await post(alice, f"/vector_stores/{store}/files/{file}", readers=["user:alice"])
    await office.finish(store, file)
    assert set(await found(alice, store)) == {file}
    assert await found(bob, store) == []


async def test_nobody_hides_a_document_from_himself(alice: httpx.AsyncClient, store: str) -> None:
    file = await upload(alice)
    await attach(alice, store, file)
    path = f"/vector_stores/{store}/files/{file}"
    error = await refusal(alice.post(path, json={"readers": ["user:bob"], "attributes": {"a": 1}}))
    assert (error["param"], "leave out" in error["message"]) == ("readers", True)
    kept = await get(alice, path)
    assert (kept["readers"], kept["attributes"]) == ([], {})


async def test_an_administrator_gives_a_document_to_others(office: Office, bob: httpx.AsyncClient, store: str) -> None:
    async with office.caller(scopes=[Scope.READ, Scope.WRITE, Scope.ADMIN]) as admin:
        file = await upload(admin)
        await attach(admin, store, file, readers=["user:bob"])
        await office.finish(store, file)
        assert set(await found(bob, store)) == {file}
        assert set(await found(admin, store)) == {file}


async def test_a_file_that_is_there_for_others_cannot_be_attached_again(
    office: Office, alice: httpx.AsyncClient, bob: httpx.AsyncClient, store: str
) -> None:
    file = await upload(alice)
    await attach(alice, store, file, readers=["user:alice"])
    error = await refusal(bob.post(f"/vector_stores/{store}/files", json={"file_id": file}), 409)
    assert error["code"] == "conflict"
    assert await office.rows("SELECT readers_of(audience_id) FROM document") == [(["user:alice"],)]


# Text


async def test_the_text_of_a_document_comes_in_its_pages(office: Office, client: httpx.AsyncClient, store: str) -> None:
    file = await upload(client)
    await attach(client, store, file)
    path = f"/vector_stores/{store}/files/{file}/content"
    assert "in_progress" in (await refusal(client.get(path), 409))["message"]
    await office.finish(store, file, [Piece("one"), Piece("two"), Piece("three")])
    answer = await get(client, path)
    assert answer["data"] == [{"type": "text", "text": "one\ntwo\nthree"}]
    assert (answer["has_more"], answer["next_page"]) == (False, None)
    # The second chunk begins on page 4; in the third the page turns.
    await office.rows("UPDATE chunk SET page = 4, turns = '[]' WHERE ordinal = 1 RETURNING id")
    await office.rows("UPDATE chunk SET page = 4, turns = '[[10, [], 5]]' WHERE ordinal = 2 RETURNING id")
    assert [part["text"] for part in (await get(client, path))["data"]] == ["one\n", "two\nth", "ree"]


async def test_a_long_text_comes_in_several_answers(
    office: Office, client: httpx.AsyncClient, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents_module, "LONGEST_ANSWER", 5)
    file = await upload(client)
    await attach(client, store, file)
    await office.finish(store, file, [Piece("0123456789äöü")])
    text, page = "", None
    for _ in range(3):
        answer = await get(client, f"/vector_stores/{store}/files/{file}/content", **({"page": page} if page else {}))
        text += "".join(part["text"] for part in answer["data"])
        page = answer["next_page"]
    assert (text, page) == ("0123456789äöü", None)
    await refusal(client.get(f"/vector_stores/{store}/files/{file}/content", params={"page": "x"}))


# Taking out


async def test_taking_a_file_out_of_a_store_keeps_the_file(
    office: Office, client: httpx.AsyncClient, store: str
) -> None:
    file = await upload(client, b"bytes")
    await attach(client, store, file)
    await office.finish(store, file)
    answer = await client.delete(f"/vector_stores/{store}/files/{file}")
    assert answer.json() == {"id": file, "deleted": True, "object": "vector_store.file.deleted"}
    assert (await client.get(f"/files/{file}/content")).content == b"bytes"
    assert await found(client, store) == []
    assert await office.count("chunk") == 0
    await refusal(client.delete(f"/vector_stores/{store}/files/{file}"), 404)
    assert (await attach(client, store, file))["status"] == "in_progress"


# Files that were ingested from a folder


async def test_an_ingested_document_is_a_file_whose_bytes_stayed_where_they_were(
    office: Office, database: Database, asker: Asker, client: httpx.AsyncClient, store: str
) -> None:
    library = PostgresLibrary(database, asker)
    pieces = [Piece("granite is hard")]
    opened = await library.open_store("books", MODEL)
    file = await library.put(opened, document("/books/a.txt", pieces), one_by_one(indexed(pieces)))
    made = await get(client, f"/files/{file}")
    assert (made["filename"], made["bytes"]) == ("a.txt", len("granite is hard"))
    assert (await refusal(client.get(f"/files/{file}/content")))["code"] == "content_not_kept"
    inside = await get(client, f"/vector_stores/{opened.public_id}/files/{file}")
    assert (inside["status"], inside["usage_bytes"]) == ("completed", len("granite is hard"))
    assert await attach(client, opened.public_id, file) == inside
    for other in (await make_store(client), opened.public_id):
        body = {"file_id": file, "chunking_strategy": STATIC}
        error = await refusal(client.post(f"/vector_stores/{other}/files", json=body))
        assert error["code"] == "content_not_kept"
    page = await get(client, f"/vector_stores/{opened.public_id}/files/{file}/content")
    assert page["data"] == [{"type": "text", "text": "granite is hard"}]
    await client.delete(f"/files/{file}")
    assert (await office.count("file"), await office.count("document")) == (0, 0)


async def test_an_ingested_document_takes_its_file_along_to_its_new_readers(
    office: Office, database: Database, asker: Asker, alice: httpx.AsyncClient, bob: httpx.AsyncClient, store: str
) -> None:
    library = PostgresLibrary(database, asker)
    pieces = [Piece("granite is hard")]
    written = replace(document("/books/a.txt", pieces), readers=())
    file = await library.put(await library.open_store("books", MODEL), written, one_by_one(indexed(pieces)))
    await post(alice, f"/vector_stores/{store}/files/{file}", readers=["user:alice"])
    assert (await get(bob, "/files"))["data"] == []
    assert [row["id"] for row in (await get(alice, "/files"))["data"]] == [file]
