"""Files come in piece by piece, are seen by their readers alone, and leave nothing behind."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from clerks import Office, get, make_store, post, refusal, upload

from ragstone.api.app import create_app
from ragstone.api.door.drain import Drain
from ragstone.bootstrap import House
from ragstone.domain import Asker, Tenant
from ragstone.errors import ObjectsUnavailableError
from ragstone.fakes.objects import MemoryObjects
from ragstone.settings import Settings
from ragstone.storage.catalog.expiry import remove_expired, tenants_with_expired
from ragstone.storage.catalog.files import PostgresFiles
from ragstone.storage.catalog.uploading import Particulars
from ragstone.storage.database import Database
from ragstone.storage.objects.parts import PartsObjects
from ragstone.storage.pages import Excerpt

pytestmark = pytest.mark.anyio

MIB = 2**20


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
    async with office.caller("bob") as client:
        yield client


def form(*parts: tuple[str, str | None, bytes]) -> dict[str, Any]:
    """A request with the parts of a form in this order: field, file name if it is a file, content."""
    body = b""
    for field, name, content in parts:
        file = "" if name is None else f'; filename="{name}"'
        body += f'--x\r\nContent-Disposition: form-data; name="{field}"{file}\r\n\r\n'.encode() + content + b"\r\n"
    return {"content": body + b"--x--\r\n", "headers": {"content-type": "multipart/form-data; boundary=x"}}


PURPOSE = ("purpose", None, b"assistants")
FILE = ("file", "a.txt", b"text")


async def test_an_uploaded_file_is_described_listed_and_downloaded_as_it_is(client: httpx.AsyncClient) -> None:
    content = bytes(range(256)) * 9000
    made = (await client.post("/files", data={"purpose": "user_data"}, files={"file": ("a.bin", content)})).json()
    assert made["bytes"] == len(content)
    assert (made["object"], made["filename"], made["purpose"]) == ("file", "a.bin", "user_data")
    assert (made["media_type"], made["readers"]) == ("application/octet-stream", [])
    assert "expires_at" not in made
    assert await get(client, f"/files/{made['id']}") == made
    assert (await get(client, "/files"))["data"] == [made]
    answer = await client.get(f"/files/{made['id']}/content")
    assert answer.content == content
    assert answer.headers["content-disposition"].startswith('attachment; filename="a.bin"')
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("C:\\Users\\x\\plan.txt", "plan.txt"),
        ("../../etc/passwd", "passwd"),
        ("Übergröße 東京 🎉.md", "Übergröße 東京 🎉.md"),
        ("a\x07b\u202egnp.exe", "abgnp.exe"),
        ("x" * 251 + ".txt", "x" * 251 + ".txt"),
        ("100%.txt", "100%.txt"),
    ],
)
async def test_a_file_keeps_its_name_without_folders_and_control_characters(
    client: httpx.AsyncClient, sent: str, kept: str
) -> None:
    made = (await client.post("/files", **form(PURPOSE, ("file", sent.replace("\\", "\\\\"), b"text")))).json()
    assert made["filename"] == kept
    headers = (await client.get(f"/files/{made['id']}/content")).headers
    assert headers["content-disposition"].isascii()


@pytest.mark.parametrize(
    ("parts", "param"),
    [
        ([PURPOSE], "file"),
        ([FILE], "purpose"),
        ([], "file"),
        ([PURPOSE, FILE, ("file", "b.txt", b"x")], "file"),
        ([PURPOSE, FILE, ("other", "b.txt", b"x")], "file"),
        ([PURPOSE, ("file", "a.txt", b"")], "file"),
        ([PURPOSE, ("file", None, b"text")], "file"),
        ([PURPOSE, ("file", "", b"text")], "file"),
        ([PURPOSE, ("file", "..", b"text")], "file"),
        ([PURPOSE, ("file", "x" * 256, b"text")], "file"),
        ([PURPOSE, ("document", "a.txt", b"text")], "file"),
        ([("purpose", None, b"fine-tune"), FILE], "purpose"),
        ([FILE, ("purpose", None, b"fine-tune")], "purpose"),
        ([PURPOSE, ("readers", None, b"alice"), FILE], "readers.0"),
        ([PURPOSE, ("readers", None, b"[1]"), FILE], "readers.0"),
        ([PURPOSE, ("readers", None, b"[not json"), FILE], "readers.0"),
        ([PURPOSE, ("readers", None, b"user:a\x00"), FILE], "readers.0"),
        ([PURPOSE, ("readers", None, b"user:alice"), FILE], "readers"),
        ([PURPOSE, FILE, ("readers", None, b"user:alice")], "readers"),
        ([PURPOSE, ("expires_after[anchor]", None, b"created_at"), FILE], "expires_after.seconds"),
        ([PURPOSE, ("expires_after", None, b"soon"), FILE], "expires_after"),
        (
            [PURPOSE, ("expires_after[anchor]", None, b"now"), ("expires_after[seconds]", None, b"3600"), FILE],
            "expires_after.anchor",
        ),
        (
            [PURPOSE, ("expires_after[anchor]", None, b"created_at"), ("expires_after[seconds]", None, b"1"), FILE],
            "expires_after.seconds",
        ),
    ],
)
async def test_a_form_that_does_not_fit_is_refused_and_leaves_nothing(
    office: Office, client: httpx.AsyncClient, parts: list[tuple[str, str | None, bytes]], param: str
) -> None:
    error = await refusal(client.post("/files", **form(*parts)))
    assert error["param"] == param
    assert error["message"]
    assert (await office.count("file"), await office.count("file_part")) == (0, 0)


async def test_a_body_that_is_no_form_is_refused(client: httpx.AsyncClient) -> None:
    error = await refusal(client.post("/files", json={"purpose": "assistants"}), 415)
    assert "multipart/form-data" in error["message"]


async def test_fields_may_stand_behind_the_file(
    office: Office, alice: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    readers = ("readers", None, b'["user:alice", "group:hr"]')
    made = (await alice.post("/files", **form(("file", "a.txt", b"x" * 3 * MIB), PURPOSE, readers))).json()
    assert made["readers"] == ["group:hr", "user:alice"]
    assert (await bob.get(f"/files/{made['id']}")).status_code == 404
    # The parts were written before it was known who may read them.
    assert await office.rows("SELECT count(DISTINCT audience_id), min(audience_id) > 0 FROM file_part") == [(1, True)]


async def test_readers_may_be_a_repeated_field(alice: httpx.AsyncClient) -> None:
    parts = [("readers", None, b"user:alice"), ("readers[]", None, b"group:hr"), ("readers", None, b"user:alice")]
    made = (await alice.post("/files", **form(PURPOSE, *parts, FILE))).json()
    assert made["readers"] == ["group:hr", "user:alice"]


async def test_a_restricted_file_is_to_others_as_if_it_were_not_there(
    alice: httpx.AsyncClient, bob: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    file = await upload(alice, readers=json.dumps(["user:alice"]))
    for other in (bob, client):
        assert (await get(other, "/files"))["data"] == []
        for method, path in [("GET", ""), ("GET", "/content"), ("DELETE", "")]:
            error = await refusal(other.request(method, f"/files/{file}{path}"), 404)
            unknown = await refusal(other.request(method, f"/files/file-unknown{path}"), 404)
            assert {**error, "message": error["message"].replace(file, "file-unknown")} == unknown
        cursor = await refusal(other.get("/files", params={"after": file}))
        assert cursor["param"] == "after"
    assert [row["id"] for row in (await get(alice, "/files"))["data"]] == [file]


@pytest.mark.parametrize("file_id", ["file-unknown", "%00", "a%00b", "ünknown", "x" * 5000])
async def test_an_unknown_file_is_not_found(client: httpx.AsyncClient, file_id: str) -> None:
    for method, path in [("GET", ""), ("GET", "/content"), ("DELETE", "")]:
        assert (await refusal(client.request(method, f"/files/{file_id}{path}"), 404))["code"] == "not_found"


# Uploads that break off


async def interrupted(app: Any, client: httpx.AsyncClient, pieces: list[bytes], last: dict[str, Any]) -> int | None:
    """The status of an upload of these pieces of a file, after which the connection ends."""
    fields = b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nassistants\r\n'
    messages = [fields, b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n', *pieces]
    coming = iter([{"type": "http.request", "body": body, "more_body": True} for body in messages])
    started: list[int] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return next(coming, last)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            started.append(message["status"])

    headers = [
        (b"authorization", client.headers["authorization"].encode()),
        (b"content-type", b"multipart/form-data; boundary=x"),
        (b"transfer-encoding", b"chunked"),
    ]
    scope = {"type": "http", "method": "POST", "path": "/v1/files", "headers": headers, "query_string": b""}
    await app({**scope, "http_version": "1.1", "scheme": "http", "server": ("service", 80)}, receive, send)
    return started[0] if started else None


async def test_a_client_that_goes_away_in_the_middle_leaves_nothing(office: Office, client: httpx.AsyncClient) -> None:
    app = create_app(House(Settings(), office.database), Drain())
    await interrupted(app, client, [b"x" * MIB] * 3, {"type": "http.disconnect"})
    assert (await office.count("file"), await office.count("file_part")) == (0, 0)


async def test_an_upload_whose_task_is_cancelled_leaves_nothing(office: Office, client: httpx.AsyncClient) -> None:
    app = create_app(House(Settings(), office.database), Drain())
    task = asyncio.create_task(interrupted(app, client, [b"x" * MIB] * 400, {"type": "http.disconnect"}))
    while await office.count("file_part") < 2:
        await asyncio.sleep(0.02)
    assert (await get(client, "/files"))["data"] == []  # nobody sees it before it is complete
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    for _ in range(100):
        if not await office.count("file"):
            break
        await asyncio.sleep(0.02)
    assert (await office.count("file"), await office.count("file_part")) == (0, 0)


@pytest.mark.parametrize("declared", [True, False])
async def test_a_file_beyond_the_limit_is_refused_and_leaves_nothing(
    database: Database, tenant: Tenant, declared: bool
) -> None:
    office = Office(database, tenant, Settings(upload_max_mb=1))

    async def body() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(4):
            yield bytes(MIB)

    headers = {
        "content-type": "multipart/form-data; boundary=x",
        **({"content-length": str(5 * MIB)} if declared else {}),
    }
    async with office.caller() as client:
        error = await refusal(client.post("/files", content=body(), headers=headers), 413)
        assert error["code"] == "request_too_large"
        assert (await office.count("file"), await office.count("file_part")) == (0, 0)
        assert await upload(client, bytes(MIB))


async def test_a_large_file_is_never_whole_in_memory(client: httpx.AsyncClient, office: Office) -> None:
    app = create_app(House(Settings(), office.database), Drain())
    block = bytes(64 * 1024)
    end = {"type": "http.request", "body": b"\r\n--x--\r\n", "more_body": False}
    tracemalloc.start()
    try:
        assert await interrupted(app, client, [block] * 640, end) == 200
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * MIB  # of 40
    assert (await get(client, "/files"))["data"][0]["bytes"] == 40 * MIB


class Failing(MemoryObjects):
    """A place that is away from some moment on."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False

    async def write(self, key: str, pieces: AsyncIterator[bytes]) -> None:
        if self.away:
            await anext(pieces)
            raise ObjectsUnavailableError("the bucket is away")
        await super().write(key, pieces)

    async def delete(self, keys: Any) -> None:
        if self.away:
            raise ObjectsUnavailableError("the bucket is away")
        await super().delete(keys)

    async def held(self) -> list[str]:
        return [key async for key in self.keys("")]


async def pieces(*contents: bytes) -> AsyncIterator[bytes]:
    for content in contents:
        yield content


async def put(files: PostgresFiles, content: bytes = b"x") -> str:
    async with files.upload("a.txt") as coming:
        await coming.write(pieces(content))
        return (await coming.finish(Particulars())).public_id


async def test_a_file_whose_bytes_cannot_be_stored_is_not_there(
    office: Office, database: Database, asker: Asker
) -> None:
    bucket = Failing()
    bucket.away = True
    files = PostgresFiles(database, asker, {"bucket": bucket})
    with pytest.raises(ObjectsUnavailableError):
        await put(files)
    bucket.away = False
    assert await remove_expired(database, asker, {"bucket": bucket}) == 1  # what could not be removed at once
    assert await office.count("file") == 0


async def test_bytes_that_cannot_be_removed_now_are_removed_later(
    office: Office, database: Database, asker: Asker
) -> None:
    bucket = Failing()
    files = PostgresFiles(database, asker, {"bucket": bucket})
    file = await put(files)
    assert await bucket.held() == [f"{asker.tenant.id}/{file}"]
    bucket.away = True
    await files.delete(file)
    assert (await files.page(Excerpt())).items == ()
    assert await remove_expired(database, asker, {}) == 0  # a worker that does not know the bucket leaves it
    bucket.away = False
    assert [tenant.id for tenant in await tenants_with_expired(database) if tenant == asker.tenant]
    assert await remove_expired(database, asker, {"bucket": bucket}) == 1
    assert (await bucket.held(), await office.count("file")) == ([], 0)


async def test_an_upload_of_a_process_that_died_is_removed_when_its_time_is_over(
    office: Office, database: Database, asker: Asker
) -> None:
    places = {"database": PartsObjects(database, asker)}
    upload = PostgresFiles(database, asker, places).upload("a.txt")
    coming = await upload.__aenter__()
    await coming.write(pieces(bytes(2 * MIB)))
    assert await remove_expired(database, asker, places) == 0
    await office.rows("UPDATE file SET expires_at = now() - interval '1 second' RETURNING id")
    assert await remove_expired(database, asker, places) == 1
    assert (await office.count("file"), await office.count("file_part")) == (0, 0)
    with pytest.raises(Exception, match="longer than 2:00:00"):
        await coming.finish(Particulars())


async def test_a_file_is_gone_when_its_time_is_over(
    office: Office, client: httpx.AsyncClient, database: Database, asker: Asker
) -> None:
    lifetime: dict[str, Any] = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    file = await upload(client, **lifetime)
    made = await get(client, f"/files/{file}")
    assert made["expires_at"] - made["created_at"] == 3600
    store = await make_store(client, file_ids=[file])
    await office.finish(store, file)
    await office.rows("UPDATE file SET expires_at = now() RETURNING id")
    await refusal(client.get(f"/files/{file}"), 404)
    assert (await get(client, "/files"))["data"] == []
    await refusal(client.post(f"/vector_stores/{store}/files", json={"file_id": file}), 404)
    await remove_expired(database, asker, {"database": PartsObjects(database, asker)})
    assert (await get(client, f"/vector_stores/{store}"))["file_counts"]["total"] == 0
    assert (await office.count("file"), await office.count("file_part"), await office.count("chunk")) == (0, 0, 0)


async def test_a_file_of_a_batch_stays_for_a_month(client: httpx.AsyncClient) -> None:
    made = await get(client, f"/files/{await upload(client, purpose='batch')}")
    assert made["expires_at"] - made["created_at"] == 30 * 24 * 3600


# Deleting


async def test_deleting_a_file_removes_what_was_made_from_it_also_what_others_alone_may_read(
    office: Office, alice: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    file = await upload(alice)
    stores = [await make_store(alice), await make_store(bob)]
    await post(alice, f"/vector_stores/{stores[0]}/files", file_id=file)
    await post(bob, f"/vector_stores/{stores[1]}/files", file_id=file, readers=["user:bob"])
    for store in stores:
        await office.finish(store, file)
    assert (await alice.get(f"/vector_stores/{stores[1]}/files/{file}")).status_code == 404
    assert (await alice.delete(f"/files/{file}")).json() == {"id": file, "deleted": True, "object": "file"}
    assert (await bob.get(f"/vector_stores/{stores[1]}/files/{file}")).status_code == 404
    left = await office.everything_else()
    assert not left.keys() & {"document", "document_version", "chunk", "task"}
    assert not any(name.startswith("embedding") for name in left)
    assert (await office.count("file"), await office.count("file_part")) == (0, 0)
    assert await office.rows("SELECT actor FROM audit WHERE action = 'document.deleted'") == [("user:alice",)] * 2


async def test_deleting_a_file_that_is_being_read_ends_the_work(office: Office, client: httpx.AsyncClient) -> None:
    file = await upload(client)
    await make_store(client, file_ids=[file])
    assert await office.count("task") == 1
    await client.delete(f"/files/{file}")
    assert await office.count("task") == 0


# Pages


async def walk(client: httpx.AsyncClient, path: str, **parameters: Any) -> list[str]:
    """The ids of all pages."""
    found: list[str] = []
    after: dict[str, Any] = {}
    while True:
        page = await get(client, path, **{**parameters, **after})
        ids = [item["id"] for item in page["data"]]
        assert (page["first_id"], page["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))
        found += ids
        if not page["has_more"]:
            return found
        after = {"after": ids[-1]}


async def test_pages_of_any_size_and_order_hold_every_file_once(client: httpx.AsyncClient) -> None:
    files = [await upload(client, name=f"{number}.txt") for number in range(7)]
    for limit in (1, 2, 3, 7, 8):
        assert await walk(client, "/files", limit=limit, order="asc") == files
        assert await walk(client, "/files", limit=limit) == files[::-1]
    assert await walk(client, "/files") == files[::-1]


async def test_a_page_ends_before_a_file_as_well(client: httpx.AsyncClient) -> None:
    files = [await upload(client, name=f"{number}.txt") for number in range(6)]
    page = await get(client, "/files", limit=2, before=files[4], order="asc")
    assert [file["id"] for file in page["data"]] == files[2:4]
    assert page["has_more"]
    page = await get(client, "/files", limit=5, before=files[1])
    assert [file["id"] for file in page["data"]] == files[:1:-1]
    assert not page["has_more"]
    page = await get(client, "/files", limit=5, after=files[0], before=files[3], order="asc")
    assert [file["id"] for file in page["data"]] == files[1:3]


async def test_pages_can_be_turned_while_files_come_and_go(client: httpx.AsyncClient) -> None:
    files = [await upload(client, name=f"{number}.txt") for number in range(6)]
    page = await get(client, "/files", limit=2, order="asc")
    # The client deletes what it has seen, as clean-up scripts do, and somebody uploads another.
    for file in page["data"]:
        await client.delete(f"/files/{file['id']}")
    newest = await upload(client)
    rest = await walk(client, "/files", limit=2, order="asc", after=files[1])
    assert rest == [*files[2:], newest]


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"after": "file-unknown"}, "after"),
        ({"before": "file-unknown"}, "before"),
        ({"after": "a\0b"}, "after"),
        ({"after": ""}, "after"),
        ({"limit": 0}, "limit"),
        ({"limit": 10_001}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"order": "random"}, "order"),
    ],
)
async def test_a_page_that_cannot_be_is_refused(
    client: httpx.AsyncClient, parameters: dict[str, Any], param: str
) -> None:
    assert (await refusal(client.get("/files", params=parameters)))["param"] == param


async def test_a_cursor_of_another_tenant_is_unknown(client: httpx.AsyncClient, database: Database) -> None:
    other = Office(database, await database.tenant("neighbour of files"))
    async with other.caller() as neighbour:
        file = await upload(neighbour)
        await neighbour.delete(f"/files/{file}")
    mine = await refusal(client.get("/files", params={"after": file}))
    unknown = await refusal(client.get("/files", params={"after": "file-unknown"}))
    assert mine["message"].replace(file, "file-unknown") == unknown["message"]


async def test_files_are_listed_by_purpose(client: httpx.AsyncClient) -> None:
    one, other = await upload(client), await upload(client, purpose="user_data")
    assert await walk(client, "/files", purpose="assistants") == [one]
    assert await walk(client, "/files", purpose="user_data") == [other]
    assert await walk(client, "/files", purpose="anything") == []
