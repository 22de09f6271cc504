"""A write that is repeated under its key is done once, by whichever of two replicas is asked."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import httpx
import psycopg
import pytest
from keyed_writes import Work, client_of, replica
from starlette.requests import ClientDisconnect
from starlette.types import Message

from ragstone.access.askers import machine, person
from ragstone.api.door import idempotency
from ragstone.api.door.fingerprint import head_of
from ragstone.domain import Asker, Scope, Tenant
from ragstone.errors import DatabaseUnavailableError
from ragstone.storage import idempotency as storage
from ragstone.storage.database import Database
from ragstone.storage.embedded import EmbeddedServer
from ragstone.storage.idempotency import Claim, IdempotencyKeys, Recorded, sweep

pytestmark = pytest.mark.anyio


@pytest.fixture
def work(anyio_backend: str) -> Work:
    return Work()


@pytest.fixture
async def one(database: Database, asker: Asker, work: Work) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(replica(database, asker, work)) as client:
        yield client


@pytest.fixture
async def two(server: EmbeddedServer, database_name: str, asker: Asker, work: Work) -> AsyncIterator[httpx.AsyncClient]:
    """The other replica: it shares the database alone."""
    pool = Database(lambda: server.dsn(database_name), size=2)
    await pool.open()
    async with client_of(replica(pool, asker, work)) as client:
        yield client
    await pool.close()


@pytest.fixture
def short_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (storage, idempotency):
        monkeypatch.setattr(module, "LOCK", timedelta(seconds=0.3))


def new_key() -> dict[str, str]:
    return {"idempotency-key": secrets.token_hex(8)}


def code(answer: httpx.Response) -> str:
    assert answer.status_code == 409, answer.text
    error = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    return str(error["code"])


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_repeated_write_is_done_once_and_answered_twice(
    one: httpx.AsyncClient, two: httpx.AsyncClient, work: Work, method: str
) -> None:
    key = new_key()
    first = await one.request(method, "/write?a=1", content=b"body", headers=key)
    again = await two.request(method, "/write?a=1", content=b"body", headers=key)
    assert work.done == [b"body"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content) == (200, b'{"number":1}')
    assert again.headers["content-type"] == first.headers["content-type"]


async def test_a_write_without_a_key_is_done_each_time(one: httpx.AsyncClient, work: Work) -> None:
    for _ in range(2):
        await one.post("/write", content=b"body")
    assert len(work.done) == 2


async def test_reading_needs_no_key_and_ignores_one(one: httpx.AsyncClient, work: Work) -> None:
    key = new_key()
    for _ in range(2):
        assert (await one.get("/write", headers=key)).status_code == 200
    assert len(work.done) == 2


async def test_of_many_at_once_at_two_replicas_exactly_one_is_done(
    one: httpx.AsyncClient, two: httpx.AsyncClient, work: Work
) -> None:
    for number in range(1, 6):
        key = new_key()
        at_once = (client.post("/write", content=b"body", headers=key) for client in [one, two] * 4)
        answers = await asyncio.gather(*at_once)
        assert len(work.done) == number
        done = [answer for answer in answers if answer.status_code == 200]
        assert sum("idempotency-replayed" not in answer.headers for answer in done) == 1
        assert {code(answer) for answer in answers if answer not in done} <= {"idempotency_key_in_use"}


async def test_while_the_first_one_is_worked_on_its_repetition_is_told_to_wait(
    one: httpx.AsyncClient, two: httpx.AsyncClient, work: Work
) -> None:
    key = new_key()
    first = asyncio.create_task(one.post("/slow", headers=key))
    await work.begun.wait()
    waiting = await two.post("/slow", headers=key)
    assert code(waiting) == "idempotency_key_in_use"
    assert waiting.headers["retry-after"] == "1"
    work.go.set()
    assert (await first).json() == (await two.post("/slow", headers=key)).json() == {"number": 1}


@pytest.mark.parametrize(
    ("method", "url", "content"),
    [
        ("PUT", "/write?a=1", b"x"),
        ("POST", "/write?a=2", b"x"),
        ("POST", "/upload?a=1", b"x"),
        ("POST", "/write?a=1", b"y"),
    ],
)
async def test_a_key_is_good_for_one_request_only(
    one: httpx.AsyncClient, work: Work, method: str, url: str, content: bytes
) -> None:
    key = new_key()
    await one.post("/write?a=1", content=b"x", headers=key)
    other = await one.request(method, url, content=content, headers=key)
    assert code(other) == "idempotency_key_reused"
    assert other.headers["x-should-retry"] == "false"
    assert work.done == [b"x"]


async def test_other_people_s_keys_are_their_own(database: Database, tenant: Tenant, work: Work) -> None:
    key = new_key()
    scopes = frozenset({Scope.READ, Scope.WRITE})
    other_tenant = await database.tenant(f"{tenant.name}, another")
    askers = (machine(tenant, scopes), person(tenant, "alice", [], scopes), machine(other_tenant, scopes))
    for asker in askers:
        async with client_of(replica(database, asker, work)) as client:
            assert (await client.post("/write", headers=key)).status_code == 200
    assert len(work.done) == 3


@pytest.mark.parametrize("less", ["scopes", "readers"])
async def test_whoever_may_do_less_by_now_is_not_given_the_former_answer(
    database: Database, tenant: Tenant, work: Work, less: str
) -> None:
    key = new_key()
    alice = person(tenant, "alice", ["hr"], frozenset({Scope.READ, Scope.WRITE}))
    lesser = (
        replace(alice, scopes=frozenset({Scope.READ}))
        if less == "scopes"
        else person(tenant, "alice", [], frozenset({Scope.READ, Scope.WRITE}))
    )
    async with client_of(replica(database, alice, work)) as client:
        await client.post("/write", headers=key)
    async with client_of(replica(database, lesser, work)) as client:
        assert code(await client.post("/write", headers=key)) == "idempotency_key_reused"


@pytest.mark.parametrize("status", [400, 404, 409, 422])
async def test_an_answer_to_the_request_itself_is_repeated(one: httpx.AsyncClient, work: Work, status: int) -> None:
    key = new_key()
    answers = [await one.post(f"/status/{status}", headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [status] * 2
    assert len(work.done) == 1


@pytest.mark.parametrize("status", [401, 403, 405, 406, 408, 415, 429, 500, 503])
async def test_an_answer_that_may_change_leaves_the_key_free(one: httpx.AsyncClient, work: Work, status: int) -> None:
    key = new_key()
    for _ in range(2):
        assert (await one.post(f"/status/{status}", headers=key)).status_code == status
    assert len(work.done) == 2


async def test_a_fault_of_the_service_leaves_the_key_free(one: httpx.AsyncClient, work: Work) -> None:
    key = new_key()
    for _ in range(2):
        assert (await one.post("/broken", headers=key)).status_code == 500
    assert len(work.done) == 2


async def test_an_empty_answer_is_repeated_empty(one: httpx.AsyncClient, work: Work) -> None:
    key = new_key()
    for _ in range(2):
        answer = await one.post("/nothing", headers=key)
        assert (answer.status_code, answer.content) == (204, b"")
    assert len(work.done) == 1


async def test_a_stream_is_not_repeated(one: httpx.AsyncClient, work: Work) -> None:
    key = new_key()
    first = await one.post("/events", headers=key)
    assert first.text == "data: 0\n\ndata: 1\n\ndata: 2\n\n"
    assert code(await one.post("/events", headers=key)) == "idempotency_key_streamed"
    assert len(work.done) == 1


@pytest.mark.parametrize("path", ["/large", "/secret"])
async def test_an_answer_that_is_not_kept_is_not_given_twice_nor_the_work_done_twice(
    one: httpx.AsyncClient, work: Work, path: str
) -> None:
    key = new_key()
    first = await one.post(path, headers=key)
    assert first.status_code == 200
    assert len(first.content) == int(first.headers["content-length"])
    assert code(await one.post(path, headers=key)) == "idempotency_key_not_kept"
    assert len(work.done) == 1


async def test_a_secret_that_is_shown_once_is_stored_nowhere(
    one: httpx.AsyncClient, server: EmbeddedServer, database_name: str
) -> None:
    await one.post("/secret", headers=new_key())
    with psycopg.connect(server.admin_dsn(database_name)) as connection:
        kept = connection.execute(
            "SELECT count(*) FROM ragstone.idempotency WHERE body LIKE %s", (b"%rs-shown-once%",)
        ).fetchone()
    assert kept == (0,)


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "caf\u00e9\u0085"])
async def test_a_key_that_is_none_is_refused(one: httpx.AsyncClient, work: Work, key: str) -> None:
    answer = await one.post("/write", headers=[(b"idempotency-key", key.encode("latin-1"))])
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "idempotency-key"
    assert work.done == []


async def test_the_longest_key_is_taken(one: httpx.AsyncClient, work: Work) -> None:
    for _ in range(2):
        assert (await one.post("/write", headers={"idempotency-key": "k" * 255})).status_code == 200
    assert len(work.done) == 1


def multipart(boundary: str, content: bytes) -> tuple[bytes, dict[str, str]]:
    part = b'Content-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n' + content
    edge = f"--{boundary}".encode()
    return edge + b"\r\n" + part + b"\r\n" + edge + b"--\r\n", {
        "content-type": f"multipart/form-data; boundary={boundary}"
    }


async def pieces_of(content: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def test_a_repeated_upload_may_have_another_boundary_and_be_cut_otherwise(
    one: httpx.AsyncClient, two: httpx.AsyncClient, work: Work
) -> None:
    key, content = new_key(), secrets.token_bytes(50_000)
    for client, boundary, size in ((one, "aaaaaaaaaaaa", 7), (two, "bbbbbbbbbbbb", 4096), (one, "bbbbbbbbbbbb", 11)):
        body, headers = multipart(boundary, content)
        answer = await client.post("/upload", content=pieces_of(body, size), headers={**headers, **key})
        assert (answer.status_code, answer.json()) == (201, {"size": len(body)})
    assert work.done == [b"upload"]
    body, headers = multipart("aaaaaaaaaaaa", content[:-1] + b"!")
    assert code(await one.post("/upload", content=body, headers={**headers, **key})) == "idempotency_key_reused"


async def test_an_upload_reaches_the_application_in_the_pieces_in_which_it_came(
    one: httpx.AsyncClient, work: Work
) -> None:
    body, headers = multipart("aaaa", bytes(100_000))
    await one.post("/upload", content=pieces_of(body, 1000), headers={**headers, **new_key()})
    assert sum(work.pieces) == len(body)
    assert max(work.pieces) == 1000


async def test_a_body_that_the_route_does_not_read_counts_as_well(one: httpx.AsyncClient, work: Work) -> None:
    key = new_key()
    await one.post("/nothing", content=b"x", headers=key)
    assert code(await one.post("/nothing", content=b"y", headers=key)) == "idempotency_key_reused"
    assert (await one.post("/nothing", content=b"x", headers=key)).headers["idempotency-replayed"] == "true"
    assert len(work.done) == 1


async def test_a_refusal_before_the_end_of_the_body_leaves_the_key_free(one: httpx.AsyncClient, work: Work) -> None:
    key = new_key()
    for _ in range(2):
        assert (await one.post("/status/413", content=pieces_of(b"abc", 1), headers=key)).status_code == 413
    assert len(work.done) == 2


async def test_an_upload_that_breaks_off_leaves_the_key_free(
    one: httpx.AsyncClient, database: Database, asker: Asker, work: Work
) -> None:
    key = secrets.token_hex(8)
    coming: list[Message] = [
        {"type": "http.request", "body": b"half", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return coming.pop(0)

    async def send(_: Message) -> None:
        pass

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/upload",
        "query_string": b"",
        "headers": [(b"idempotency-key", key.encode()), (b"transfer-encoding", b"chunked")],
    }
    with pytest.raises(ClientDisconnect):
        await replica(database, asker, work)(scope, receive, send)
    assert (await one.post("/upload", content=b"whole", headers={"idempotency-key": key})).status_code == 201


async def test_the_key_of_a_process_that_died_is_free_after_a_while(
    one: httpx.AsyncClient, database: Database, asker: Asker, short_lock: None
) -> None:
    key = new_key()
    head = head_of({"method": "POST", "path": "/write", "query_string": b"", "headers": []}, asker)
    claimed = await IdempotencyKeys(database, asker).claim(key["idempotency-key"], head)
    assert isinstance(claimed, Claim)
    assert code(await one.post("/write", headers=key)) == "idempotency_key_in_use"
    await asyncio.sleep(0.4)
    assert (await one.post("/write", headers=key)).status_code == 200
    # Should the process have been asleep only, it cannot spoil what was done since.
    keys = IdempotencyKeys(database, asker)
    assert not await keys.record(claimed, Recorded(head, 500, None, b"late"))
    assert not await keys.free(claimed)
    assert not await keys.hold(claimed)
    assert (await one.post("/write", headers=key)).json() == {"number": 1}


async def test_a_long_write_keeps_its_key(
    one: httpx.AsyncClient, two: httpx.AsyncClient, work: Work, short_lock: None
) -> None:
    key = new_key()
    first = asyncio.create_task(one.post("/slow", headers=key))
    await work.begun.wait()
    await asyncio.sleep(0.7)
    assert code(await two.post("/slow", headers=key)) == "idempotency_key_in_use"
    work.go.set()
    assert (await first).json() == {"number": 1}


async def test_without_a_database_nothing_is_done_under_a_key(asker: Asker, work: Work) -> None:
    class Gone(Database):
        @asynccontextmanager
        async def connection(self) -> AsyncIterator[psycopg.AsyncConnection]:
            raise DatabaseUnavailableError("The database does not answer")
            yield  # type: ignore[unreachable]

    async with client_of(replica(Gone(lambda: ""), asker, work)) as client:
        answer = await client.post("/write", headers=new_key())
    assert answer.status_code == 503
    assert work.done == []


async def test_keys_are_forgotten_after_a_day(
    one: httpx.AsyncClient, work: Work, database: Database, server: EmbeddedServer, database_name: str, asker: Asker
) -> None:
    old, young = new_key(), new_key()
    for key in (old, young):
        await one.post("/write", headers=key)
    with psycopg.connect(server.admin_dsn(database_name), autocommit=True) as connection:
        connection.execute(
            "UPDATE ragstone.idempotency SET created_at = created_at - interval '24 hours' WHERE key = %s",
            (old["idempotency-key"],),
        )
    # It counts no longer, whether or not somebody has tidied up.
    assert (await one.post("/write", headers=old)).json() == {"number": 3}
    with psycopg.connect(server.admin_dsn(database_name), autocommit=True) as connection:
        connection.execute(
            "UPDATE ragstone.idempotency SET created_at = created_at - interval '24 hours' WHERE key = %s",
            (old["idempotency-key"],),
        )
        assert await sweep(database) == 1
        left = connection.execute(
            "SELECT key FROM ragstone.idempotency WHERE tenant_id = %s", (asker.tenant.id,)
        ).fetchall()
    assert left == [(young["idempotency-key"],)]
