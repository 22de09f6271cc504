"""`/v1/vector_stores` on the running service, driven by the stock client; a worker reads what is attached."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from acceptance.conftest import HANDBOOK, PRICES, TRAVEL
from acceptance.shipped import Ragstone
from checked_client import checked, checked_async

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(100)


@pytest.fixture
def client(service: str, library: Ragstone) -> Iterator[openai.OpenAI]:
    with checked(service, library.key) as client:
        yield client


@pytest.fixture
def store(client: openai.OpenAI) -> Iterator[str]:
    store = client.vector_stores.create(name="tested").id
    yield store
    client.vector_stores.delete(store)


def upload(client: openai.OpenAI, name: str = "handbook.md", content: bytes = HANDBOOK.encode()) -> str:
    return client.files.create(file=(name, content), purpose="assistants").id


def found(client: openai.OpenAI, store: str, query: str = "How often is a key rotated?", **more: Any) -> list[str]:
    return [hit.filename for hit in client.vector_stores.search(store, query=query, **more)]


def test_a_store_is_made_described_changed_listed_and_deleted(client: openai.OpenAI) -> None:
    made = client.vector_stores.create(
        name="mine",
        metadata={"team": "hr"},
        expires_after={"anchor": "last_active_at", "days": 7},
        extra_body={"language": "german"},
    )
    assert (made.name, made.metadata, made.status) == ("mine", {"team": "hr"}, "completed")
    assert made.expires_after is not None
    assert made.expires_after.days == 7
    assert client.vector_stores.retrieve(made.id) == made
    changed = client.vector_stores.update(made.id, name="ours")
    assert (changed.name, changed.metadata, changed.expires_after) == ("ours", {"team": "hr"}, made.expires_after)
    assert made.id in [store.id for store in client.vector_stores.list(limit=1)]
    assert client.vector_stores.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.retrieve(made.id)


def test_an_attached_file_is_read_searched_and_shown(client: openai.OpenAI, store: str) -> None:
    file = client.vector_stores.files.create_and_poll(
        upload(client), vector_store_id=store, attributes={"year": 2024}, max_wait_seconds=60
    )
    assert (file.status, file.last_error, file.usage_bytes) == ("completed", None, len(HANDBOOK))
    assert (
        "ninety days" in client.vector_stores.search(store, query="How often is a key rotated?").data[0].content[0].text
    )
    assert client.vector_stores.retrieve(store).file_counts.completed == 1
    assert "".join(part.text or "" for part in client.vector_stores.files.content(file.id, vector_store_id=store)) == (
        HANDBOOK
    )
    year: Any = {"type": "gte", "key": "year", "value": 2025}
    assert found(client, store, filters=year) == []
    changed = client.vector_stores.files.update(file.id, vector_store_id=store, attributes={"year": 2026})
    assert changed.attributes == {"year": 2026}
    assert found(client, store, filters=year) == ["handbook.md"]
    assert client.vector_stores.files.delete(file.id, vector_store_id=store).deleted
    assert found(client, store) == []
    assert client.files.retrieve(file.id).id == file.id


def test_a_file_is_uploaded_and_attached_in_one_call(client: openai.OpenAI, store: str) -> None:
    chunking: Any = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 20}}
    file = client.vector_stores.files.upload_and_poll(
        vector_store_id=store, file=("travel.txt", TRAVEL.encode()), chunking_strategy=chunking
    )
    assert file.status == "completed"
    assert file.chunking_strategy is not None
    assert file.chunking_strategy.model_dump() == chunking
    assert found(client, store, query="Who approves flights?") == ["travel.txt"]


def test_a_file_that_cannot_be_read_fails_with_its_reason(client: openai.OpenAI, store: str) -> None:
    file = client.vector_stores.files.upload_and_poll(vector_store_id=store, file=("picture.png", PICTURE))
    assert file.status == "failed"
    assert file.last_error is not None
    assert file.last_error.code == "unsupported_file"
    assert "PNG" in file.last_error.message
    assert [listed.id for listed in client.vector_stores.files.list(store, filter="failed")] == [file.id]


def test_a_batch_of_files_is_read_together(client: openai.OpenAI, store: str) -> None:
    contents = [("handbook.md", HANDBOOK), ("travel.txt", TRAVEL), ("prices.csv", PRICES)]
    batch = client.vector_stores.file_batches.upload_and_poll(
        vector_store_id=store, files=[(name, text.encode()) for name, text in contents]
    )
    assert (batch.status, batch.file_counts.completed, batch.file_counts.total) == ("completed", 3, 3)
    pages = client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store, limit=2)
    assert len({file.id for file in pages}) == 3
    assert set(found(client, store, query="marble flights keys")) == {name for name, _ in contents}
    retrieved = client.vector_stores.file_batches.retrieve(batch.id, vector_store_id=store)
    assert retrieved.file_counts == batch.file_counts


def test_a_batch_with_attributes_of_each_file_is_polled_to_its_end(client: openai.OpenAI, store: str) -> None:
    files: Any = [{"file_id": upload(client, f"{n}.txt", b"granite"), "attributes": {"n": n}} for n in range(3)]
    files.append({"file_id": upload(client, "picture.png", PICTURE)})
    batch = client.vector_stores.file_batches.create_and_poll(store, files=files)
    assert (batch.status, batch.file_counts.completed, batch.file_counts.failed) == ("completed", 3, 1)
    listed = client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store, filter="completed")
    assert sorted(str(file.attributes) for file in listed) == ["{'n': 0.0}", "{'n': 1.0}", "{'n': 2.0}"]


def test_a_batch_can_be_cancelled(client: openai.OpenAI, store: str) -> None:
    files = [upload(client, f"{number}.txt", TRAVEL.encode() * 40) for number in range(25)]
    batch = client.vector_stores.file_batches.create(store, file_ids=files)
    cancelled = client.vector_stores.file_batches.cancel(batch.id, vector_store_id=store)
    assert cancelled.status == "cancelled"
    assert cancelled.file_counts.in_progress == 0
    assert cancelled.file_counts.cancelled > 0
    assert cancelled.file_counts.total == 25
    again = client.vector_stores.file_batches.retrieve(batch.id, vector_store_id=store)
    assert again.file_counts == cancelled.file_counts
    one = next(iter(client.vector_stores.files.list(store, filter="cancelled")))
    assert client.vector_stores.files.create_and_poll(one.id, vector_store_id=store).status == "completed"


@pytest.mark.anyio
async def test_the_asynchronous_client_does_the_same(service: str, library: Ragstone) -> None:
    async with checked_async(service, library.key) as client:
        store = (await client.vector_stores.create(name="async")).id
        file = await client.vector_stores.files.upload_and_poll(
            vector_store_id=store, file=("handbook.md", HANDBOOK.encode())
        )
        assert file.status == "completed"
        batch = await client.vector_stores.file_batches.upload_and_poll(store, files=[("travel.txt", TRAVEL.encode())])
        assert batch.file_counts.completed == 1
        assert {listed.id async for listed in client.vector_stores.files.list(store, limit=1)} > {file.id}
        hits = await client.vector_stores.search(store, query="key rotation")
        assert hits.data[0].file_id == file.id
        assert (await client.vector_stores.files.content(file.id, vector_store_id=store)).data[0].text == HANDBOOK
        assert (await client.vector_stores.delete(store)).deleted


def test_other_readers_are_given_while_the_store_is_searched(client: openai.OpenAI, store: str) -> None:
    file = client.vector_stores.files.create_and_poll(upload(client), vector_store_id=store)
    before = client.vector_stores.search(store, query="key rotation").data
    changed = client.vector_stores.files.update(
        file.id, vector_store_id=store, attributes={}, extra_body={"readers": ["group:hr"]}
    )
    assert changed.model_extra is not None
    assert changed.model_extra["readers"] == ["group:hr"]
    after = client.vector_stores.search(store, query="key rotation").data  # the first key administers and reads all
    assert [(hit.content, round(hit.score, 6)) for hit in after] == [
        (hit.content, round(hit.score, 6)) for hit in before
    ]


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.vector_stores.retrieve("vs_none"),
        lambda client: client.vector_stores.files.create("vs_none", file_id="file-none"),
        lambda client: client.vector_stores.file_batches.retrieve("vsfb_none", vector_store_id="vs_none"),
    ],
)
def test_what_is_not_there_is_not_found_for_the_stock_client(client: openai.OpenAI, call: Any) -> None:
    with pytest.raises(openai.NotFoundError, match="There is no vector store vs_none"):
        call(client)
