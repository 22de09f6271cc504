"""`/v1/files` on the running service, driven by the stock client and by plain HTTP."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest
from acceptance.conftest import HANDBOOK
from acceptance.shipped import Ragstone
from checked_client import checked, checked_async

MIB = 2**20


@pytest.fixture
def client(service: str, library: Ragstone) -> Iterator[openai.OpenAI]:
    with checked(service, library.key) as client:
        yield client


@pytest.fixture
def http(service: str, library: Ragstone) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{service}/v1", headers=library.headers, timeout=60) as client:
        yield client


def test_the_stock_client_uploads_lists_downloads_and_deletes(client: openai.OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "Größe.md"
    path.write_text(HANDBOOK)
    file = client.files.create(file=path, purpose="user_data", expires_after={"anchor": "created_at", "seconds": 7200})
    assert (file.filename, file.bytes, file.purpose) == ("Größe.md", len(HANDBOOK), "user_data")
    assert file.expires_at == file.created_at + 7200
    assert client.files.retrieve(file.id) == file
    assert client.files.content(file.id).text == HANDBOOK
    assert file in client.files.list(purpose="user_data").data
    deleted = client.files.delete(file.id)
    assert (deleted.id, deleted.deleted) == (file.id, True)
    with pytest.raises(openai.NotFoundError, match="There is no file"):
        client.files.retrieve(file.id)


@pytest.mark.anyio
async def test_the_asynchronous_client_does_the_same(service: str, library: Ragstone) -> None:
    async with checked_async(service, library.key) as client:
        file = await client.files.create(file=("a.txt", b"text"), purpose="assistants")
        assert (await client.files.content(file.id)).content == b"text"
        assert file.id in [listed.id async for listed in client.files.list(limit=1)]
        assert (await client.files.delete(file.id)).deleted


def test_the_stock_client_turns_the_pages_while_it_deletes(client: openai.OpenAI) -> None:
    made = [client.files.create(file=(f"{number}.txt", b"x"), purpose="batch").id for number in range(5)]
    seen = []
    for file in client.files.list(purpose="batch", limit=2):
        seen.append(file.id)
        client.files.delete(file.id)
    assert seen == made[::-1]


def test_readers_are_given_beside_the_published_fields(client: openai.OpenAI) -> None:
    readers = ["user:alice", "group:hr"]
    file = client.files.create(file=("a.txt", b"x"), purpose="assistants", extra_body={"readers": readers})
    assert file.model_extra is not None
    assert file.model_extra["readers"] == sorted(readers)
    client.files.delete(file.id)


def test_what_the_command_line_ingested_is_a_file_without_its_bytes(client: openai.OpenAI) -> None:
    # Other tests ingest the same into stores of their own.
    file = next(file for file in client.files.list(order="asc") if file.filename == "handbook.md")
    assert file.bytes == len(HANDBOOK)
    with pytest.raises(openai.BadRequestError) as raised:
        client.files.content(file.id)
    assert raised.value.code == "content_not_kept"


def test_a_large_file_comes_back_as_it_was(client: openai.OpenAI) -> None:
    content = bytes(range(256)) * (4 * 12 * 1024)  # 12 MiB
    file = client.files.create(file=("large.bin", content), purpose="assistants")
    assert client.files.content(file.id).content == content
    client.files.delete(file.id)


def test_fields_that_mean_nothing_are_skipped_and_the_others_have_a_limit(http: httpx.Client) -> None:
    file = {"file": ("a.txt", b"text")}
    unknown = {f"field {number}": "x" * 300_000 for number in range(3)}
    answer = http.post("/files", data={"purpose": "assistants", **unknown}, files=file)
    assert answer.status_code == 200
    http.delete(f"/files/{answer.json()['id']}")
    readers = [f"user:{number:0400}" for number in range(1500)]
    refused = http.post("/files", data={"purpose": "assistants", "readers[]": readers}, files=file)
    assert refused.status_code == 400
    assert "at most 524,288 bytes" in refused.json()["error"]["message"]


def test_an_upload_beyond_the_limit_is_refused_and_the_connection_serves_on(fresh: Ragstone) -> None:
    with (
        fresh.having(upload_max_mb="1").serving() as address,
        httpx.Client(base_url=f"{address}/v1", headers=fresh.headers) as http,
    ):
        for _ in range(2):
            answer = http.post("/files", data={"purpose": "assistants"}, files={"file": ("a", bytes(3 * MIB))})
            assert answer.status_code == 413
            assert answer.json()["error"]["code"] == "request_too_large"
        assert http.get("/files").json()["data"] == []
        assert http.post("/files", data={"purpose": "assistants"}, files={"file": ("a", b"x")}).status_code == 200


def test_an_upload_whose_client_vanishes_leaves_nothing(service: str, http: httpx.Client, library: Ragstone) -> None:
    before = http.get("/files").json()["data"]
    host, port = service.removeprefix("http://").split(":")
    head = (
        f"POST /v1/files HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {library.key}\r\n"
        "content-type: multipart/form-data; boundary=x\r\ncontent-length: 9000000\r\n\r\n"
        '--x\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nassistants\r\n'
        '--x\r\ncontent-disposition: form-data; name="file"; filename="half.txt"\r\n\r\n'
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + bytes(4 * MIB))
        time.sleep(0.3)
        assert http.get("/files").json()["data"] == before
    time.sleep(0.3)
    assert http.get("/files").json()["data"] == before
