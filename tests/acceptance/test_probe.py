"""Whoever asks for what is not theirs learns as much as if it did not exist: on every route, for every identifier."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import openai
import pytest
from acceptance.probe import Operation, operations, pairs, told
from acceptance.shipped import Ragstone
from clusters import until
from folders import open_folder

CANARY = "zanzibarite"  # stands in everything that is the victim's, and nowhere else


@dataclass
class World:
    """What somebody has in the service."""

    address: str
    key: str
    store: str
    identifiers: dict[str, str] = field(default_factory=dict)  # by kind

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"}

    def client(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.address}/v1", api_key=self.key, max_retries=0)


@pytest.fixture(scope="module")
def program() -> Iterator[Ragstone]:
    home = open_folder("ragstone-probe-")
    yield Ragstone(home, {})
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def address(program: Ragstone) -> Iterator[str]:
    with program.serving() as running:
        yield running


def key(program: Ragstone, tenant: str, *options: str) -> dict[str, Any]:
    outcome = program("keys", "create", "--tenant", tenant, *options, "--json")
    assert outcome.status == 0, outcome.err
    created: dict[str, Any] = outcome.json
    return created


def furnish(world: World, word: str, *, readers: list[str] | None = None) -> World:
    """One of everything, with the word in it."""
    with world.client() as client:
        extra = {"readers": readers} if readers else {}
        content = f"The {word} is kept in the {word} vault. It is rotated every ninety days.".encode()
        form = {"readers": str(readers).replace("'", '"')} if readers else {}
        uploaded = client.files.create(file=(f"{word}.txt", content), purpose="assistants", extra_body=form)
        client.vector_stores.files.create(world.store, file_id=uploaded.id, extra_body=extra, attributes={"word": word})
        batch = client.vector_stores.file_batches.create(world.store, file_ids=[uploaded.id])
        until(
            lambda: client.vector_stores.files.retrieve(uploaded.id, vector_store_id=world.store).status == "completed"
        )
        answered = client.responses.create(
            model="ragstone",
            input=f"How often is the {word} rotated?",
            tools=[{"type": "file_search", "vector_store_ids": [world.store]}],
        )
        assert word in answered.output_text
        hit = client.vector_stores.search(world.store, query=word).data[0]
        assert hit.model_extra
        world.identifiers |= {
            "file": uploaded.id,
            "batch": batch.id,
            "response": answered.id,
            "message": answered.output[-1].id or "",
            "chunk": hit.model_extra["chunk_id"],
        }
    return world


@pytest.fixture(scope="module")
def victim(program: Ragstone, address: str) -> World:
    assert program("tenants", "create", f"{CANARY}-corp").status == 0
    assert program("users", "set", CANARY, "--tenant", f"{CANARY}-corp", "--groups", f"{CANARY}-group").status == 0
    created = key(program, f"{CANARY}-corp", "--scopes", "read,write,admin", "--name", CANARY)
    world = World(address, created["key"], "")
    with world.client() as client:
        world.store = client.vector_stores.create(name=f"{CANARY} store", metadata={"word": CANARY}).id
    world.identifiers = {"store": world.store, "key": created["id"], "user": CANARY, "tenant": f"{CANARY}-corp"}
    return furnish(world, CANARY)


@pytest.fixture(scope="module")
def stranger(program: Ragstone, address: str) -> World:
    """Another tenant, with every right in it."""
    assert program("tenants", "create", "stranger").status == 0
    created = key(program, "stranger", "--scopes", "read,write,admin,impersonate")
    world = World(address, created["key"], "")
    with world.client() as client:
        world.store = client.vector_stores.create(name="own").id
    world.identifiers = {"store": world.store}
    return furnish(world, "obsidianite")


@pytest.fixture(scope="module")
def description(address: str) -> list[Operation]:
    found = operations(httpx.get(f"{address}/openapi.json").json())
    assert len(found) > 20
    return found


def unknown_like(identifier: str) -> str:
    """An identifier of the same make that nothing has."""
    prefix = identifier[: max(identifier.rfind("_"), identifier.rfind("-")) + 1]
    if identifier[len(prefix) :].isdecimal():
        return prefix + "0" * (len(identifier) - len(prefix))  # they count from 1
    return prefix + secrets.token_hex((len(identifier) - len(prefix) + 1) // 2)[: len(identifier) - len(prefix)]


def state(world: World) -> object:
    """All that its owner sees."""
    with httpx.Client(base_url=world.address, headers=world.headers, timeout=30) as http:
        paths = [
            "/v1/files",
            "/v1/vector_stores",
            f"/v1/vector_stores/{world.store}/files",
            f"/v1/vector_stores/{world.store}/files/{world.identifiers['file']}/content",
            f"/v1/files/{world.identifiers['file']}/content",
            f"/v1/responses/{world.identifiers['response']}",
        ]
        return [told(http.get(path), "nothing") for path in paths]


def assert_nothing_learned(asker: World, foreign: dict[str, str], routes: list[Operation], canary: str) -> None:
    own, differing, probes = list(asker.identifiers.values()), [], 0
    with httpx.Client(base_url=asker.address, headers=asker.headers, timeout=30) as http:
        # A probe can make something of the asker's own that is named like the identifier, so those come last.
        for operation in sorted(routes, key=lambda route: ("DELETE", "GET", "POST", "PUT").index(route.method)):
            for kind, identifier in foreign.items():
                unknown = unknown_like(identifier)
                for probe, control in pairs(operation, own, identifier, unknown):
                    probes += 1
                    answer, expected = probe.send(http), control.send(http)
                    learned = told(answer, identifier) != told(expected, unknown)
                    if answer.is_success and expected.is_success:
                        # Texts that are searched for or kept differ as they differ; nobody else's may show.
                        learned = canary in answer.text.replace(identifier, "")
                    if learned:
                        line = f"{operation.method} {probe.url} ({kind} as {probe.where}): "
                        differing.append(f"{line}{answer.status_code} {answer.text[:200]} / {expected.status_code}")
    assert probes > 100
    assert not differing, "\n".join(differing[:20])


def test_another_tenant_learns_nothing_from_any_route(
    victim: World, stranger: World, description: list[Operation]
) -> None:
    before = state(victim)
    foreign = {kind: value for kind, value in victim.identifiers.items() if kind not in {"user", "tenant"}}
    assert_nothing_learned(stranger, foreign, description, CANARY)
    assert state(victim) == before


@pytest.mark.parametrize("header", ["openai-organization", "openai-project", "x-tenant", "x-workspace", "x-user"])
def test_no_header_changes_the_tenant(victim: World, stranger: World, header: str) -> None:
    with httpx.Client(base_url=victim.address, headers=stranger.headers, timeout=30) as http:
        for path in ("/v1/vector_stores", "/v1/files", "/v1/models"):
            plain, claimed = http.get(path), http.get(path, headers={header: f"{CANARY}-corp"})
            assert told(claimed, "nothing") == told(plain, "nothing")


@pytest.fixture(scope="module")
def two_users(program: Ragstone, address: str) -> tuple[World, World]:
    """Two people who share a tenant and its store; a document is meant for the first alone."""
    assert program("tenants", "create", "shared").status == 0
    for name in ("alice", "bob"):
        assert program("users", "set", name, "--tenant", "shared", "--groups", "staff").status == 0
    worlds = [
        World(address, key(program, "shared", "--user", name, "--scopes", "read,write")["key"], "")
        for name in ("alice", "bob")
    ]
    with worlds[0].client() as client:
        store = client.vector_stores.create(name="ours").id
    for world in worlds:
        world.store = store
        world.identifiers = {"store": store}
    alice = furnish(worlds[0], "quartzine", readers=["user:alice"])
    return alice, furnish(worlds[1], "obsidianite")


def test_another_user_learns_nothing_of_a_document_that_is_not_for_them(
    two_users: tuple[World, World], description: list[Operation]
) -> None:
    alice, bob = two_users
    before = state(alice)
    # The store is theirs together, and a batch belongs to the store; its counts are looked at below.
    foreign = {kind: value for kind, value in alice.identifiers.items() if kind not in {"store", "batch"}}
    # What both may change would change for both.
    shared = [
        operation for operation in description if not (operation.method == "DELETE" and operation.path.endswith("_id}"))
    ]
    assert_nothing_learned(bob, foreign, shared, "quartzine")
    assert state(alice) == before


def test_counts_and_listings_are_those_of_the_asker(two_users: tuple[World, World]) -> None:
    alice, bob = two_users
    for world, expected in ((alice, 2), (bob, 1)):
        with world.client() as client:
            assert client.vector_stores.retrieve(world.store).file_counts.total == expected
            assert len(client.vector_stores.files.list(world.store).data) == expected
            listed = {file.filename for file in client.files.list()}
            assert ("quartzine.txt" in listed) is (world is alice)
    with bob.client() as client:
        batch = client.vector_stores.file_batches.retrieve(alice.identifiers["batch"], vector_store_id=bob.store)
        assert batch.file_counts.total == 0


def test_published_leak_classes_are_closed(victim: World, stranger: World) -> None:
    """Each was a hole in another system; the comment names what went wrong there."""
    store, file = victim.identifiers["store"], victim.identifiers["file"]
    with httpx.Client(base_url=victim.address, headers=stranger.headers, timeout=30) as http:
        attempts = {
            # a document by its id, without asking whose it is
            "document": http.get(f"/v1/vector_stores/{stranger.store}/files/{file}"),
            # previews and raw contents beside the guarded route
            "content": http.get(f"/v1/files/{file}/content"),
            "parsed": http.get(f"/v1/vector_stores/{store}/files/{file}/content"),
            # a route that sums up metadata
            "metadata": http.get(f"/v1/vector_stores/{store}"),
            # attaching somebody else's file to a store of one's own, and asking that
            "attach": http.post(f"/v1/vector_stores/{stranger.store}/files", json={"file_id": file}),
            "batch": http.post(f"/v1/vector_stores/{stranger.store}/file_batches", json={"file_ids": [file]}),
            # several stores in one query, of which one is the asker's
            "several": http.post(
                "/v1/responses",
                json={
                    "model": "ragstone",
                    "input": CANARY,
                    "tools": [{"type": "file_search", "vector_store_ids": [stranger.store, store]}],
                },
            ),
            # the model name of a chat as a way to a store
            "chat": http.post(
                "/v1/chat/completions",
                json={"model": f"ragstone/{CANARY} store", "messages": [{"role": "user", "content": CANARY}]},
            ),
            # a conversation continued from somebody else's answer
            "conversation": http.post(
                "/v1/responses",
                json={
                    "model": "ragstone",
                    "input": "And then?",
                    "previous_response_id": victim.identifiers["response"],
                    "tools": [{"type": "file_search", "vector_store_ids": [stranger.store]}],
                },
            ),
        }
        # a query over files chosen by id, and a filter that names the tenant
        queries = [
            {"query": CANARY, "filters": {"type": "eq", "key": key, "value": value}}
            for key, value in (("file_id", file), ("tenant_id", 1), ("word", CANARY))
        ]
        hits = [http.post(f"/v1/vector_stores/{stranger.store}/search", json=query) for query in queries]
    for name, answer in attempts.items():
        assert answer.status_code == 404, (name, answer.text)
        assert CANARY not in answer.text.replace(f"{CANARY} store", ""), name
    for answer in hits:
        assert answer.status_code == 200
        assert CANARY not in answer.text.replace(f'"{CANARY}"', "")


def test_without_a_key_every_route_says_the_same(address: str, description: list[Operation]) -> None:
    with httpx.Client(base_url=address, timeout=30) as http:
        for operation in description:
            if operation.path in {"/livez", "/readyz", "/startupz", "/metrics", "/openapi.json"}:
                continue
            url = operation.path.replace("{", "").replace("}", "")
            for headers in ({}, {"authorization": "Bearer rs-wrong"}, {"authorization": "Basic eDp5"}):
                answer = http.request(operation.method, url, json=operation.body, headers=headers)
                assert answer.status_code == 401, (operation, answer.text)
                assert answer.json()["error"]["code"] == "invalid_api_key"
