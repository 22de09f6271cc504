"""The stock client repeats a write under its key, as it does when a connection breaks."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import openai
import pytest
from acceptance.shipped import Ragstone
from openai.types.responses import ResponseStreamEvent


@pytest.fixture
def client(service: str, library: Ragstone) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{service}/v1", api_key=library.key, max_retries=0) as connected:
        yield connected


def new_key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


def test_a_store_is_made_once(client: openai.OpenAI) -> None:
    key = new_key()
    first = client.vector_stores.create(name="contracts", extra_headers=key)
    again = client.vector_stores.with_raw_response.create(name="contracts", extra_headers=key)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.parse().id == first.id
    assert client.vector_stores.create(name="contracts", extra_headers=new_key()).id != first.id


def test_a_file_is_uploaded_once_although_the_client_draws_another_boundary(client: openai.OpenAI) -> None:
    key = new_key()
    files = [
        client.files.create(file=("terms.txt", b"Terms of delivery."), purpose="assistants", extra_headers=key)
        for _ in range(2)
    ]
    assert files[0].id == files[1].id
    with pytest.raises(openai.ConflictError, match="was used for another request"):
        client.files.create(file=("terms.txt", b"Other terms."), purpose="assistants", extra_headers=key)


def test_a_stored_answer_is_given_once(client: openai.OpenAI) -> None:
    key = new_key()
    answers = [
        client.responses.create(
            model="ragstone",
            input="How often is a key rotated?",
            tools=[{"type": "file_search", "vector_store_ids": ["default"]}],
            extra_headers=key,
        )
        for _ in range(2)
    ]
    assert answers[0] == answers[1]


def test_a_stream_is_told_once(client: openai.OpenAI) -> None:
    key = new_key()

    def ask() -> list[str]:
        told = client.responses.create(
            model="ragstone",
            input="How often is a key rotated?",
            tools=[{"type": "file_search", "vector_store_ids": ["default"]}],
            stream=True,
            extra_headers=key,
        )
        return [event.type for event in told]

    assert ask()[-1] == "response.completed"
    with pytest.raises(openai.ConflictError, match="was a stream"):
        ask()


def test_what_a_stream_from_the_background_tells_of_is_found_by_its_repetition(client: openai.OpenAI) -> None:
    key = new_key()

    def ask() -> openai.Stream[ResponseStreamEvent]:
        return client.responses.create(
            model="ragstone", input="How often is a key rotated?", stream=True, background=True, extra_headers=key
        )

    with ask() as told:
        first = next(iter(told))
    assert first.type == "response.created"
    with pytest.raises(openai.ConflictError, match=f"GET /v1/responses/{first.response.id} tells it again"):
        ask()


def test_deleting_twice_under_one_key_is_no_error(client: openai.OpenAI) -> None:
    key = new_key()
    store = client.vector_stores.create(name="short-lived").id
    assert client.vector_stores.delete(store, extra_headers=key) == client.vector_stores.delete(
        store, extra_headers=key
    )
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.delete(store)
