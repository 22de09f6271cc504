"""Files that are attached together are looked after together, each by whoever may read it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from clerks import Office, get, make_store, post, refusal, upload

from ragstone.domain import Tenant
from ragstone.storage.database import Database

pytestmark = pytest.mark.anyio

STATIC = {"type": "static", "static": {"max_chunk_size_tokens": 400, "chunk_overlap_tokens": 0}}


@pytest.fixture
def office(anyio_backend: str, database: Database, tenant: Tenant) -> Office:
    return Office(database, tenant)


@pytest.fixture
async def client(office: Office) -> AsyncIterator[httpx.AsyncClient]:
    async with office.caller() as client:
        yield client


@pytest.fixture
async def alice(office: Office) -> AsyncIterator[httpx.AsyncClient]:
    async with office.caller("alice") as client:
        yield client


@pytest.fixture
async def store(client: httpx.AsyncClient) -> str:
    return await make_store(client)


async def several(client: httpx.AsyncClient, count: int, **fields: Any) -> list[str]:
    return [await upload(client, name=f"{number}.txt", **fields) for number in range(count)]


async def make_batch(client: httpx.AsyncClient, store: str, **body: Any) -> Any:
    return await post(client, f"/vector_stores/{store}/file_batches", **body)


def counts(**some: int) -> dict[str, int]:
    return {"in_progress": 0, "completed": 0, "failed": 0, "cancelled": 0, **some, "total": sum(some.values())}


async def test_a_batch_counts_what_becomes_of_its_files(office: Office, client: httpx.AsyncClient, store: str) -> None:
    files = await several(client, 3)
    made = await make_batch(client, store, file_ids=files, attributes={"a": 1}, chunking_strategy=STATIC)
    assert (made["object"], made["vector_store_id"], made["status"]) == (
        "vector_store.files_batch",
        store,
        "in_progress",
    )
    assert made["file_counts"] == counts(in_progress=3)
    path = f"/vector_stores/{store}/file_batches/{made['id']}"
    answer = await client.get(path)
    assert answer.json() == made
    assert answer.headers["openai-poll-after-ms"] == "500"
    listed = (await get(client, f"{path}/files", order="asc"))["data"]
    assert [file["id"] for file in listed] == files
    assert all((file["attributes"], file["chunking_strategy"]) == ({"a": 1}, STATIC) for file in listed)
    await office.finish(store, files[0])
    await office.finish(store, files[1])
    await office.rows("UPDATE document SET status = 'failed' WHERE public_id = %s RETURNING id", files[2])
    done = await get(client, path)
    assert (done["status"], done["file_counts"]) == ("completed", counts(completed=2, failed=1))
    assert [file["id"] for file in (await get(client, f"{path}/files", filter="failed"))["data"]] == [files[2]]


async def test_a_batch_of_which_nothing_could_be_read_has_failed(
    office: Office, client: httpx.AsyncClient, store: str
) -> None:
    files = await several(client, 2)
    made = await make_batch(client, store, file_ids=files)
    for file in files:
        await office.fail(file)
    assert (await get(client, f"/vector_stores/{store}/file_batches/{made['id']}"))["status"] == "failed"


async def test_each_file_of_a_batch_may_have_its_own_attributes(client: httpx.AsyncClient, store: str) -> None:
    one, other = await several(client, 2)
    files = [{"file_id": one, "attributes": {"n": 1}}, {"file_id": other, "chunking_strategy": STATIC}]
    made = await make_batch(client, store, files=files, attributes={"ignored": True})
    listed = (await get(client, f"/vector_stores/{store}/file_batches/{made['id']}/files", order="asc"))["data"]
    assert [file["attributes"] for file in listed] == [{"n": 1}, {}]
    assert listed[1]["chunking_strategy"] == STATIC


async def test_a_batch_takes_in_what_is_in_the_store_already(
    office: Office, client: httpx.AsyncClient, store: str
) -> None:
    files = await several(client, 2)
    await post(client, f"/vector_stores/{store}/files", file_id=files[0])
    await office.finish(store, files[0])
    made = await make_batch(client, store, file_ids=[*files, files[1]])
    assert made["file_counts"] == counts(completed=1, in_progress=1)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"file_ids": []},
        {"files": []},
        {"file_ids": ["a"], "files": [{"file_id": "a"}]},
        {"file_ids": [str(number) for number in range(2001)]},
        {"files": [{"file_id": "a"}, {"file_id": "a"}]},
        {"file_ids": [1]},
    ],
)
async def test_a_batch_that_cannot_be_is_refused(
    office: Office, client: httpx.AsyncClient, store: str, body: dict[str, Any]
) -> None:
    await refusal(client.post(f"/vector_stores/{store}/file_batches", json=body))
    assert await office.count("file_batch") == 0


async def test_a_batch_with_an_unknown_file_attaches_none(
    office: Office, client: httpx.AsyncClient, alice: httpx.AsyncClient, store: str
) -> None:
    for missing in ("file-none", await upload(alice, readers="user:alice")):
        body = {"file_ids": [await upload(client), missing]}
        error = await refusal(client.post(f"/vector_stores/{store}/file_batches", json=body), 404)
        assert missing in error["message"]
    assert (await office.count("document"), await office.count("file_batch"), await office.count("task")) == (0, 0, 0)


async def test_cancelling_gives_up_what_is_not_read_yet(office: Office, client: httpx.AsyncClient, store: str) -> None:
    files = await several(client, 3)
    made = await make_batch(client, store, file_ids=files)
    await office.finish(store, files[0])
    await office.rows("UPDATE task SET state = 'running' WHERE id = (SELECT min(id) FROM task) RETURNING id")
    path = f"/vector_stores/{store}/file_batches/{made['id']}"
    cancelled = await post(client, f"{path}/cancel")
    assert (cancelled["status"], cancelled["file_counts"]) == ("cancelled", counts(completed=1, cancelled=2))
    assert await office.count("task") == 0
    assert await post(client, f"{path}/cancel") == cancelled
    listed = await get(client, f"{path}/files", filter="cancelled", order="asc")
    assert [file["id"] for file in listed["data"]] == files[1:]


async def test_cancelling_a_batch_that_is_done_changes_nothing(
    office: Office, client: httpx.AsyncClient, store: str
) -> None:
    (file,) = await several(client, 1)
    made = await make_batch(client, store, file_ids=[file])
    await office.finish(store, file)
    cancelled = await post(client, f"/vector_stores/{store}/file_batches/{made['id']}/cancel")
    assert (cancelled["status"], cancelled["file_counts"]) == ("completed", counts(completed=1))


async def test_a_batch_shows_each_caller_what_they_may_read(
    office: Office, alice: httpx.AsyncClient, client: httpx.AsyncClient, store: str
) -> None:
    public, secret = await upload(alice), await upload(alice, readers="user:alice")
    made = await make_batch(alice, store, file_ids=[public, secret])
    path = f"/vector_stores/{store}/file_batches/{made['id']}"
    assert made["file_counts"] == counts(in_progress=2)
    assert (await get(client, path))["file_counts"] == counts(in_progress=1)
    assert [file["id"] for file in (await get(client, f"{path}/files"))["data"]] == [public]
    assert (await refusal(client.get(f"{path}/files", params={"after": secret})))["param"] == "after"
    # Who cancels stops what they can see.
    assert (await post(client, f"{path}/cancel"))["file_counts"] == counts(cancelled=1)
    assert (await get(alice, path))["file_counts"] == counts(cancelled=1, in_progress=1)
    assert await office.count("task") == 1


async def test_an_unknown_batch_is_not_found(client: httpx.AsyncClient, store: str) -> None:
    made = await make_batch(client, store, file_ids=await several(client, 1))
    elsewhere = await make_store(client)
    for path in (
        f"/vector_stores/{store}/file_batches/vsfb_none",
        f"/vector_stores/{store}/file_batches/%00",
        f"/vector_stores/{elsewhere}/file_batches/{made['id']}",
    ):
        for method, more in [("GET", ""), ("POST", "/cancel"), ("GET", "/files")]:
            await refusal(client.request(method, f"{path}{more}"), 404)


async def test_two_thousand_files_are_attached_at_once(office: Office, client: httpx.AsyncClient, store: str) -> None:
    rows = await office.rows(
        "INSERT INTO file (tenant_id, public_id, filename, size, place, uploaded)"
        " SELECT %s, 'file-many' || n, n || '.txt', 1, 'database', true FROM generate_series(1, 2000) n"
        " RETURNING public_id",
        office.tenant.id,
    )
    begun = time.monotonic()
    made = await make_batch(client, store, file_ids=[row[0] for row in rows])
    assert time.monotonic() - begun < 10
    assert made["file_counts"] == counts(in_progress=2000)
    assert await office.count("task") == 2000
    page = await get(client, f"/vector_stores/{store}/file_batches/{made['id']}/files", limit=100)
    assert (len(page["data"]), page["has_more"]) == (100, True)
    cancelled = await post(client, f"/vector_stores/{store}/file_batches/{made['id']}/cancel")
    assert cancelled["file_counts"] == counts(cancelled=2000)
