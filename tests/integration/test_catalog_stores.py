"""Stores are made, listed, changed and deleted; what is counted in them is what the caller may read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from clerks import Office, get, make_store, post, refusal, upload
from contract.samples import MODEL

from ragstone.domain import Asker, Scope, Tenant
from ragstone.errors import StoreExpiredError
from ragstone.storage.catalog.expiry import remove_expired
from ragstone.storage.catalog.stores import find_store
from ragstone.storage.contents.library import PostgresLibrary
from ragstone.storage.database import Database

pytestmark = pytest.mark.anyio


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


async def fill(office: Office, client: httpx.AsyncClient, store: str, **attached: Any) -> str:
    """The id of a file that is in a store and read."""
    file = await upload(client, b"1234567")
    await post(client, f"/vector_stores/{store}/files", file_id=file, **attached)
    await office.finish(store, file)
    return file


async def test_a_store_says_what_was_said_of_it(client: httpx.AsyncClient) -> None:
    said = {"name": "Handbooks", "description": "All of them", "metadata": {"team": "hr"}, "language": "german"}
    made = await post(client, "/vector_stores", **said, expires_after={"anchor": "last_active_at", "days": 2})
    assert {name: made[name] for name in said} == said
    assert made["expires_after"] == {"anchor": "last_active_at", "days": 2}
    assert made["expires_at"] - made["last_active_at"] == 2 * 24 * 3600
    assert made["file_counts"] == {"in_progress": 0, "completed": 0, "failed": 0, "cancelled": 0, "total": 0}
    assert (made["status"], made["usage_bytes"]) == ("completed", 0)
    assert await get(client, f"/vector_stores/{made['id']}") == made


async def test_a_store_needs_no_name_and_names_need_not_differ(client: httpx.AsyncClient) -> None:
    stores = [await make_store(client), await make_store(client, name="twin"), await make_store(client, name="twin")]
    page = await get(client, "/vector_stores", order="asc")
    assert [(store["id"], store["name"]) for store in page["data"]] == list(
        zip(stores, ["", "twin", "twin"], strict=True)
    )
    assert "expires_after" not in page["data"][0]
    assert page["data"][0]["expires_at"] is None


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"name": "x" * 257}, "name"),
        ({"name": 7}, "name"),
        ({"metadata": {str(number): "" for number in range(17)}}, "metadata"),
        ({"metadata": {"k" * 65: "v"}}, f"metadata.{'k' * 65}.[key]"),
        ({"metadata": {"k": "v" * 513}}, "metadata.k"),
        ({"metadata": {"k": 1}}, "metadata.k"),
        ({"expires_after": {"anchor": "created_at", "days": 1}}, "expires_after.anchor"),
        ({"expires_after": {"anchor": "last_active_at", "days": 0}}, "expires_after.days"),
        ({"expires_after": {"anchor": "last_active_at", "days": 366}}, "expires_after.days"),
        ({"language": "klingon"}, "language"),
        ({"file_ids": ["file-x"] * 501}, "file_ids"),
        ({"chunking_strategy": {"type": "static"}}, "chunking_strategy.static.static"),
        ({"chunking_strategy": {"type": "magic"}}, "chunking_strategy"),
    ],
)
async def test_what_a_store_cannot_be_is_refused(
    office: Office, client: httpx.AsyncClient, body: dict[str, Any], param: str
) -> None:
    assert (await refusal(client.post("/vector_stores", json=body)))["param"] == param
    assert await office.count("store") == 0


async def test_a_store_can_begin_with_files(office: Office, client: httpx.AsyncClient) -> None:
    files = [await upload(client), await upload(client)]
    made = await post(client, "/vector_stores", file_ids=[*files, files[0]])
    assert made["file_counts"]["in_progress"] == made["file_counts"]["total"] == 2
    assert made["status"] == "in_progress"
    assert await office.count("task") == 2


async def test_a_store_whose_first_files_are_unknown_is_not_made(office: Office, client: httpx.AsyncClient) -> None:
    error = await refusal(client.post("/vector_stores", json={"file_ids": [await upload(client), "file-none"]}), 404)
    assert "file-none" in error["message"]
    assert (await office.count("store"), await office.count("task")) == (0, 0)


async def test_an_update_changes_what_it_names_and_nothing_else(client: httpx.AsyncClient) -> None:
    expiry = {"anchor": "last_active_at", "days": 2}
    store = await make_store(client, name="a", description="b", metadata={"c": "d"}, expires_after=expiry)
    changed = await post(client, f"/vector_stores/{store}", name="new")
    assert (changed["name"], changed["description"], changed["metadata"]) == ("new", "b", {"c": "d"})
    assert changed["expires_after"]["days"] == 2
    changed = await post(client, f"/vector_stores/{store}", expires_after=None, metadata=None, name=None)
    assert (changed["name"], changed["metadata"], changed["expires_at"]) == ("", {}, None)
    assert "expires_after" not in changed
    assert (await post(client, f"/vector_stores/{store}"))["description"] == "b"


@pytest.mark.parametrize("store_id", ["vs_unknown", "%00", "x" * 3000])
async def test_an_unknown_store_is_not_found_on_any_route(client: httpx.AsyncClient, store_id: str) -> None:
    routes: list[tuple[str, str, dict[str, Any] | None]] = [
        ("GET", "", None),
        ("POST", "", {"name": "x"}),
        ("DELETE", "", None),
        ("GET", "/files", None),
        ("POST", "/files", {"file_id": "file-x"}),
        ("GET", "/files/file-x", None),
        ("POST", "/files/file-x", {"attributes": {}}),
        ("DELETE", "/files/file-x", None),
        ("GET", "/files/file-x/content", None),
        ("POST", "/file_batches", {"file_ids": ["file-x"]}),
        ("GET", "/file_batches/vsfb_x", None),
        ("POST", "/file_batches/vsfb_x/cancel", None),
        ("GET", "/file_batches/vsfb_x/files", None),
        ("POST", "/search", {"query": "x"}),
    ]
    for method, path, body in routes:
        error = await refusal(client.request(method, f"/vector_stores/{store_id}{path}", json=body), 404)
        assert error["code"] == "not_found"


async def test_a_store_of_another_tenant_is_to_every_route_as_an_unknown_one(
    database: Database, client: httpx.AsyncClient
) -> None:
    other = Office(database, await database.tenant("neighbour of stores"))
    async with other.caller() as neighbour:
        store = await make_store(neighbour, name="mine")
        for method, path, body in [
            ("GET", "", None),
            ("POST", "", {"name": "x"}),
            ("DELETE", "", None),
            ("GET", "/files", None),
            ("POST", "/files", {"file_id": "file-x"}),
        ]:
            foreign = await refusal(client.request(method, f"/vector_stores/{store}{path}", json=body), 404)
            unknown = await refusal(client.request(method, f"/vector_stores/vs_none{path}", json=body), 404)
            assert {**foreign, "message": foreign["message"].replace(store, "vs_none")} == unknown
        assert (await get(client, "/vector_stores"))["data"] == []
        await refusal(client.get("/vector_stores", params={"after": store}))
        assert (await get(neighbour, f"/vector_stores/{store}"))["name"] == "mine"


async def test_counts_are_those_of_what_the_caller_may_read(
    office: Office, alice: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    store = await make_store(alice)
    await fill(office, alice, store)
    await fill(office, alice, store, readers=["group:hr"])
    failed = await upload(alice)
    await post(alice, f"/vector_stores/{store}/files", file_id=failed, readers=["user:alice"])
    await office.fail(failed)
    size = len(b"granite is hard\nmarble is soft")
    seen = await get(alice, f"/vector_stores/{store}")
    assert seen["file_counts"] == {"in_progress": 0, "completed": 2, "failed": 1, "cancelled": 0, "total": 3}
    assert seen["usage_bytes"] == 2 * size
    seen = await get(client, f"/vector_stores/{store}")
    assert seen["file_counts"] == {"in_progress": 0, "completed": 1, "failed": 0, "cancelled": 0, "total": 1}
    assert seen["usage_bytes"] == size
    assert (await get(client, "/vector_stores"))["data"] == [seen]


async def test_deleting_a_store_removes_every_row_of_it_and_no_other(
    office: Office, alice: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    kept, store = await make_store(client), await make_store(client)
    await fill(office, client, kept)
    before = await office.everything_else()
    public = await fill(office, client, store)
    await fill(office, alice, store, readers=["user:alice"])
    await office.finish(store, public)  # again: the first version's chunks are tombstones
    await post(client, f"/vector_stores/{store}/file_batches", file_ids=[public, await upload(client)])
    answer = await client.delete(f"/vector_stores/{store}")
    assert answer.json() == {"id": store, "deleted": True, "object": "vector_store.deleted"}
    assert await office.everything_else() == {**before, "store": 1}
    assert len((await get(client, "/files"))["data"]) == 4
    await refusal(client.delete(f"/vector_stores/{store}"), 404)


# Expiry


async def expire(office: Office, store: str) -> None:
    await office.rows(
        "UPDATE store SET last_active_at = now() - interval '25 hours' WHERE public_id = %s RETURNING id", store
    )


async def test_a_store_that_was_not_used_for_too_long_has_expired(
    office: Office, client: httpx.AsyncClient, database: Database, asker: Asker
) -> None:
    store = await make_store(client, expires_after={"anchor": "last_active_at", "days": 1})
    file = await fill(office, client, store)
    await expire(office, store)
    for swept in (False, True):
        if swept:
            assert await remove_expired(database, asker, {}) == 1
        assert (await get(client, f"/vector_stores/{store}"))["status"] == "expired"
        assert (await get(client, "/vector_stores"))["data"][0]["status"] == "expired"
        for path, body in [
            ("/search", {"query": "granite"}),
            ("/files", {"file_id": file}),
            ("/file_batches", {"file_ids": [file]}),
            ("", {"expires_after": None}),
        ]:
            error = await refusal(client.post(f"/vector_stores/{store}{path}", json=body))
            assert error["code"] == "vector_store_expired"
    with pytest.raises(StoreExpiredError):
        await find_store(database, asker, store)
    assert set(await office.everything_else()) == {"store"}
    assert await get(client, f"/files/{file}")
    assert await remove_expired(database, asker, {}) == 0
    assert (await client.delete(f"/vector_stores/{store}")).status_code == 200


async def test_an_expired_store_does_not_answer_to_the_name_of_a_live_one(
    office: Office, client: httpx.AsyncClient, database: Database, asker: Asker
) -> None:
    expired = await make_store(client, name="docs", expires_after={"anchor": "last_active_at", "days": 1})
    await expire(office, expired)
    with pytest.raises(StoreExpiredError):
        await find_store(database, asker, "docs")
    made = await PostgresLibrary(database, asker).open_store("docs", MODEL)
    assert made.public_id != expired
    await make_store(client, name="docs")
    assert (await PostgresLibrary(database, asker).open_store("docs", MODEL)).id == made.id  # the oldest alive
    with pytest.raises(StoreExpiredError):
        await find_store(database, asker, expired)


async def last_active(office: Office, store: str) -> Any:
    return (await office.rows("SELECT last_active_at FROM store WHERE public_id = %s", store))[0][0]


async def test_a_store_is_noted_as_active_once_a_minute_at_most(office: Office, client: httpx.AsyncClient) -> None:
    store = await make_store(client)
    made = await last_active(office, store)
    await post(client, f"/vector_stores/{store}/search", query="granite")
    assert await last_active(office, store) == made
    await office.rows("UPDATE store SET last_active_at = now() - interval '61 seconds' RETURNING id")
    long_ago = await last_active(office, store)
    await get(client, f"/vector_stores/{store}")
    assert await last_active(office, store) == long_ago  # looking at it is no use of it
    await post(client, f"/vector_stores/{store}/search", query="granite")
    touched = await last_active(office, store)
    assert touched > made
    await post(client, f"/vector_stores/{store}/files", file_id=await upload(client))
    assert await last_active(office, store) == touched
    assert await office.rows("SELECT count(*) FROM audit WHERE action = 'store.changed'") == [(0,)]


async def test_a_search_does_not_wait_for_somebody_who_changes_the_store(
    office: Office, client: httpx.AsyncClient, database: Database, asker: Asker
) -> None:
    store = await make_store(client)
    await office.rows("UPDATE store SET last_active_at = now() - interval '61 seconds' RETURNING id")
    async with database.transaction(asker) as connection:
        await connection.execute("UPDATE store SET description = 'locked'")
        assert (await post(client, f"/vector_stores/{store}/search", query="granite"))["data"] == []


async def test_stores_are_paged(client: httpx.AsyncClient) -> None:
    stores = [await make_store(client, name=str(number)) for number in range(5)]
    page = await get(client, "/vector_stores", limit=2)
    assert [store["id"] for store in page["data"]] == [stores[4], stores[3]]
    assert (page["first_id"], page["last_id"], page["has_more"]) == (stores[4], stores[3], True)
    await client.delete(f"/vector_stores/{stores[3]}")
    page = await get(client, "/vector_stores", limit=2, after=stores[3])
    assert [store["id"] for store in page["data"]] == [stores[2], stores[1]]
    page = await get(client, "/vector_stores", limit=100, before=stores[1], order="asc")
    assert [store["id"] for store in page["data"]] == [stores[0]]
    await refusal(client.get("/vector_stores", params={"limit": 101}))


async def test_a_key_that_may_only_read_changes_nothing(office: Office, client: httpx.AsyncClient) -> None:
    store = await make_store(client)
    async with office.caller(scopes=[Scope.READ]) as reader:
        for method, path in [
            ("POST", "/vector_stores"),
            ("POST", f"/vector_stores/{store}"),
            ("DELETE", f"/vector_stores/{store}"),
            ("POST", f"/vector_stores/{store}/files"),
            ("POST", f"/vector_stores/{store}/files/file-x"),
            ("DELETE", f"/vector_stores/{store}/files/file-x"),
            ("POST", f"/vector_stores/{store}/file_batches"),
            ("POST", f"/vector_stores/{store}/file_batches/x/cancel"),
            ("DELETE", "/files/file-x"),
        ]:
            error = await refusal(reader.request(method, path, json={}), 403)
            assert error["code"] == "insufficient_scope"
        error = await refusal(reader.post("/files", data={"purpose": "assistants"}, files={"file": b"x"}), 403)
        assert (await get(reader, f"/vector_stores/{store}"))["id"] == store
