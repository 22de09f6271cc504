"""Administration of a running service: on the command line and over HTTP, by operators, administrators and others."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import openai
import psycopg
import pytest
from acceptance.shipped import PROGRAM, Ragstone
from clusters import until
from folders import open_folder

from ragstone.storage.embedded import EmbeddedServer

_numbers = count()


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    folder = open_folder("ragstone-admin-")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def own_database(home: Path) -> Iterator[dict[str, str]]:
    """Settings that name a database for a tenant to have to itself, and one that is not there."""
    with EmbeddedServer(home) as server:
        with psycopg.connect(server.admin_dsn(), autocommit=True) as admin:
            admin.execute("CREATE DATABASE vault")
        yield {
            "databases": json.dumps({"vault": server.dsn("vault"), "gone": "host=/nowhere dbname=gone"}),
            "databases_admin": json.dumps({"vault": server.admin_dsn("vault")}),
        }


@pytest.fixture(scope="module")
def program(home: Path, own_database: dict[str, str]) -> Ragstone:
    return Ragstone(home, {}).having(**own_database)


@pytest.fixture(scope="module")
def service(program: Ragstone) -> Iterator[str]:
    with program.serving() as address:
        yield address


@pytest.fixture(scope="module")
def second(program: Ragstone, service: str) -> Iterator[str]:
    """Another process over the same data."""
    with program.serving() as address:
        yield address


@pytest.fixture
def tenant(program: Ragstone, service: str) -> str:
    """A tenant that no other test knows."""
    name = f"tenant {next(_numbers)}"
    assert program("tenants", "create", name).status == 0
    return name


@contextmanager
def shown(service: str, key: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service, headers={"authorization": f"Bearer {key}"}, timeout=60) as client:
        yield client


@pytest.fixture
def operator(service: str, program: Ragstone) -> Iterator[httpx.Client]:
    with shown(service, program.key) as client:
        yield client


def make_key(program: Ragstone, tenant: str, *options: str) -> dict[str, Any]:
    outcome = program("keys", "create", "--tenant", tenant, *options, "--json")
    assert outcome.status == 0, outcome.err
    made: dict[str, Any] = outcome.json
    return made


@pytest.fixture
def admin(service: str, program: Ragstone, tenant: str) -> Iterator[httpx.Client]:
    """A key of the tenant that reads everything and is no operator's."""
    with shown(service, make_key(program, tenant, "--scopes", "read,write,admin,impersonate")["key"]) as client:
        yield client


def fill(service: str, key: str, words: str) -> str:
    """A store with one document of these words; returns its id when it can be searched."""
    with openai.OpenAI(base_url=f"{service}/v1", api_key=key, max_retries=5) as client:
        store = client.vector_stores.create(name="docs")
        file = client.files.create(file=("words.txt", words.encode()), purpose="assistants")
        client.vector_stores.files.create(store.id, file_id=file.id)
        until(lambda: client.vector_stores.files.retrieve(file.id, vector_store_id=store.id).status == "completed")
        return store.id


def texts(client: httpx.Client, store: str, query: str) -> list[str]:
    answer = client.post(f"/v1/vector_stores/{store}/search", json={"query": query})
    assert answer.status_code == 200, answer.text
    return [hit["content"][0]["text"] for hit in answer.json()["data"]]


def error(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_the_command_line_shows_a_new_key_once_with_what_a_script_needs(
    program: Ragstone, service: str, tenant: str
) -> None:
    made = make_key(program, tenant, "--scopes", "write,read", "--expires", "90d", "--name", "ci")
    assert made.keys() == {"key", "id", "tenant", "scopes", "expires_at"}
    assert made["key"].startswith("rs-")
    assert made["id"].startswith("key_")
    assert (made["tenant"], made["scopes"]) == (tenant, ["read", "write"])
    assert abs(made["expires_at"] - time.time() - 90 * 86400) < 600
    listed = program("keys", "list", "--tenant", tenant, "--json")
    (key,) = listed.json["keys"]
    assert (key["id"], key["name"], key["state"], key["hint"]) == (made["id"], "ci", "active", made["key"][-4:])
    assert made["key"] not in listed.out
    for_people = program("keys", "list", "--tenant", tenant).out
    assert made["id"] in for_people
    with shown(service, made["key"]) as client:
        assert client.get("/v1/models").status_code == 200
        assert program("keys", "revoke", made["id"], "--tenant", tenant).status == 0
        assert error(client.get("/v1/models")) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("keys", "create", "--tenant", "nobody"), "ragstone tenants create nobody"),
        (("keys", "create", "--scopes", "fly"), "read, write, admin"),
        (("keys", "create", "--expires", "yesterday"), "90d"),
        (("keys", "create", "--user", "nobody"), "ragstone users set nobody"),
        (("keys", "rotate", "key_unknown", "--overlap", "long"), "24h"),
        (("tenants", "create", "x", "--placement", "moon"), "own-partition"),
        (("tenants", "move", "default", "--to", "moon"), "own-database:NAME"),
        (("audit", "--since", "long ago"), "90d"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_says_in_a_line_what_would_be_right(
    program: Ragstone, service: str, command: tuple[str, ...], words: str
) -> None:
    outcome = program(*command)
    assert outcome.status == 2, outcome
    assert words in outcome.err
    assert len(outcome.err.splitlines()) <= 2


def test_a_database_that_is_not_there_is_said_to_be_so(program: Ragstone, service: str, tenant: str) -> None:
    for name, words in (("gone", "RAGSTONE_DATABASES"), ("unheard-of", "RAGSTONE_DATABASES")):
        outcome = program("tenants", "move", tenant, "--to", f"own-database:{name}")
        assert outcome.status == 3, outcome
        assert words in outcome.err


def test_keys_are_made_listed_rotated_and_revoked_over_http(service: str, admin: httpx.Client, tenant: str) -> None:
    answer = admin.post("/admin/keys", json={"name": "web", "scopes": ["read"], "expires": "2h"})
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert made.keys() == {"key", "id", "tenant", "scopes", "expires_at"}
    assert made["tenant"] == tenant
    assert answer.headers["cache-control"] == "no-store"
    with shown(service, made["key"]) as first:
        assert first.get("/v1/models").status_code == 200
        rotated = admin.post(f"/admin/keys/{made['id']}/rotate", json={"overlap": "1h"}).json()
        with shown(service, rotated["key"]) as second:
            assert (rotated["scopes"], rotated["expires_at"] >= made["expires_at"]) == (["read"], True)
            assert second.get("/v1/models").status_code == first.get("/v1/models").status_code == 200
            states = {key["id"]: key for key in admin.get("/admin/keys").json()["data"]}
            assert states[made["id"]]["expires_at"] < states[rotated["id"]]["expires_at"]
            assert admin.delete(f"/admin/keys/{rotated['id']}").json()["revoked"] is True
            assert error(second.get("/v1/models")) == (401, "invalid_api_key")
        assert first.get("/v1/models").status_code == 200
    page = admin.get("/admin/keys", params={"limit": 1, "order": "asc"}).json()
    assert (len(page["data"]), page["has_more"]) == (1, True)


def test_a_repeated_request_does_not_show_a_key_again(admin: httpx.Client) -> None:
    """What an Idempotency-Key remembers would else be a list of keys in plain text."""
    headers = {"idempotency-key": "make it once"}
    first = admin.post("/admin/keys", json={}, headers=headers)
    again = admin.post("/admin/keys", json={}, headers=headers)
    assert first.status_code == 200
    assert again.status_code >= 400
    assert first.json()["key"] not in again.text
    assert len(admin.get("/admin/keys").json()["data"]) == 2


def test_a_key_of_another_tenant_is_like_an_unknown_one(admin: httpx.Client, program: Ragstone, service: str) -> None:
    foreign = make_key(program, "default")["id"]
    for method, path in (("DELETE", "/admin/keys/{}"), ("POST", "/admin/keys/{}/rotate")):
        answers = [admin.request(method, path.format(name)) for name in (foreign, foreign[:-8] + "00000000")]
        assert [answer.status_code for answer in answers] == [404, 404]
        told = [
            answer.text.replace(name, "")
            for answer, name in zip(answers, (foreign, foreign[:-8] + "0" * 8), strict=True)
        ]
        assert told[0] == told[1]
    assert error(admin.get("/admin/keys", params={"after": foreign})) == (400, "invalid_value")


def test_nobody_gives_away_more_than_they_have(
    program: Ragstone, service: str, tenant: str, admin: httpx.Client, operator: httpx.Client
) -> None:
    for name in ("alice", "bob"):
        assert admin.put(f"/admin/users/{name}", json={"groups": ["eng"]}).status_code == 200
    of_alice = make_key(program, tenant, "--user", "alice", "--scopes", "read,admin")["key"]
    machine = make_key(program, tenant, "--scopes", "read,admin")["id"]
    with shown(service, of_alice) as alice:
        for body in (
            {"scopes": ["read", "write"]},
            {"scopes": ["read", "impersonate"]},
            {"scopes": ["operator"]},
            {"scopes": ["read", "admin"]},
            {"scopes": ["read"], "user": "bob"},
        ):
            assert error(alice.post("/admin/keys", json=body)) == (403, "insufficient_scope"), body
        assert error(alice.post(f"/admin/keys/{machine}/rotate")) == (403, "insufficient_scope")
        assert error(alice.put("/admin/users/alice", json={"groups": ["eng", "hr"]})) == (403, "insufficient_scope")
        assert error(alice.get("/admin/audit")) == (403, "insufficient_scope")
        assert alice.post("/admin/keys", json={"scopes": ["read", "admin"], "user": "alice"}).status_code == 200
        assert alice.put("/admin/users/alice", json={"groups": []}).status_code == 200
    # Not even an operator makes operators over HTTP.
    assert error(operator.post("/admin/keys", json={"scopes": ["operator"]})) == (403, "insufficient_scope")


def test_who_acts_for_a_user_has_none_of_the_key_s_own_rights(admin: httpx.Client) -> None:
    on_behalf = {"x-ragstone-on-behalf-of": "alice"}
    assert admin.get("/admin/keys").status_code == 200
    assert error(admin.get("/admin/keys", headers=on_behalf)) == (403, "insufficient_scope")
    assert error(admin.post("/admin/keys", headers=on_behalf, json={})) == (403, "insufficient_scope")


@pytest.mark.parametrize(
    ("scopes", "path", "status"),
    [
        ("read,write", "/admin/keys", 403),
        ("read,write", "/admin/users", 403),
        ("read,write", "/admin/audit", 403),
        ("admin", "/admin/keys", 200),
        ("admin", "/admin/audit", 200),
        ("admin", "/admin/tenants", 403),
        ("admin", "/admin/tenants/default", 403),
        ("admin", "/admin/installation/audit", 403),
        ("operator", "/admin/tenants", 200),
        ("operator", "/admin/keys", 403),
    ],
)
def test_each_scope_opens_its_own_routes(
    program: Ragstone, service: str, tenant: str, scopes: str, path: str, status: int
) -> None:
    with shown(service, make_key(program, tenant, "--scopes", scopes)["key"]) as client:
        assert client.get(path).status_code == status


def test_a_misspelt_field_is_refused_and_not_ignored(admin: httpx.Client, operator: httpx.Client) -> None:
    for client, path, body in (
        (admin, "/admin/keys", {"scope": ["read"]}),
        (admin, "/admin/keys", {"scopes": []}),
        (admin, "/admin/keys", {"scopes": ["fly"]}),
        (admin, "/admin/keys", {"requests_per_minute": 0}),
        (admin, "/admin/keys", {"expires": "2020-01-01"}),
        (operator, "/admin/tenants", {"name": "x", "place": "shared"}),
        (operator, "/admin/tenants", {"name": "x", "placement": "moon"}),
        (operator, "/admin/tenants", {"name": " \t"}),
    ):
        assert error(client.post(path, json=body)) == (400, "invalid_value"), body


def test_a_user_s_groups_decide_and_their_keys_go_with_them(
    program: Ragstone, service: str, tenant: str, admin: httpx.Client
) -> None:
    made = admin.put("/admin/users/alice@example.com", json={"groups": ["hr", "eng"]}).json()
    assert (made["id"], made["groups"]) == ("alice@example.com", ["eng", "hr"])
    assert [user["name"] for user in admin.get("/admin/users").json()["data"]] == ["alice@example.com"]
    assert program("users", "list", "--tenant", tenant, "--json").json["users"][0]["groups"] == ["eng", "hr"]
    with shown(service, make_key(program, tenant, "--user", "alice@example.com")["key"]) as alice:
        assert alice.get("/v1/models").status_code == 200
        assert admin.delete("/admin/users/alice@example.com").json()["deleted"] is True
        assert error(alice.get("/v1/models")) == (401, "invalid_api_key")
    assert error(admin.delete("/admin/users/alice@example.com")) == (404, "not_found")


def test_a_limit_is_one_for_all_processes_and_says_when_to_come_back(
    program: Ragstone, service: str, second: str, tenant: str
) -> None:
    key = make_key(program, tenant, "--requests-per-minute", "12")["key"]
    with shown(service, key) as here, shown(second, key) as there:
        answers = [client.get("/v1/models") for _ in range(8) for client in (here, there)]
        assert [answer.status_code for answer in answers] == [200] * 12 + [429] * 4
        refused = answers[-1]
        assert error(refused) == (429, "rate_limit_exceeded")
        assert refused.json()["error"]["type"] == "rate_limit_error"
        wait = int(refused.headers["retry-after"])
        assert 0 < wait <= 5
        time.sleep(wait)
        assert sorted(client.get("/v1/models").status_code for client in (here, there)) == [200, 429]


def test_a_revoked_key_is_dead_in_every_process_at_once(
    program: Ragstone, service: str, second: str, tenant: str
) -> None:
    made = make_key(program, tenant)
    with shown(service, made["key"]) as here, shown(second, made["key"]) as there:
        assert [client.get("/v1/models").status_code for client in (here, there)] == [200, 200]
        assert program("keys", "revoke", made["id"], "--tenant", tenant).status == 0
        assert [client.get("/v1/models").status_code for client in (here, there)] == [401, 401]


@pytest.mark.parametrize("placement", ["own-partition", "own-database:vault"])
def test_a_tenant_lives_in_its_place_moves_and_leaves_nothing(
    program: Ragstone, service: str, operator: httpx.Client, placement: str
) -> None:
    name = f"mover {next(_numbers)}"
    made = operator.post("/admin/tenants", json={"name": name, "placement": placement}).json()
    assert (made["id"], made["placement"], made["state"]) == (name, placement, "ready")
    key = make_key(program, name, "--scopes", "read,write,admin")["key"]
    with shown(service, key) as client:
        store = fill(service, key, "Granite is a coarse-grained rock.")
        assert texts(client, store, "granite") == ["Granite is a coarse-grained rock."]
        for to in ("shared", placement):
            moved = operator.post(f"/admin/tenants/{name}/move", json={"to": to, "grace_seconds": 0.2})
            assert (moved.status_code, moved.json()["placement"]) == (200, to), moved.text
            assert operator.get(f"/admin/tenants/{name}").json()["state"] == "ready"
            assert texts(client, store, "granite") == ["Granite is a coarse-grained rock."]
            file = client.get("/v1/files").json()["data"][0]["id"]
            assert client.get(f"/v1/files/{file}/content").text == "Granite is a coarse-grained rock."
        log = client.get("/admin/audit", params={"limit": 100}).json()["data"]
        assert {"key.created", "file.created", "store.created"} <= {line["action"] for line in log}
        report = operator.delete(f"/admin/tenants/{name}").json()
        assert (report["deleted"], set(report["left"].values())) == (True, {0})
        assert report["removed"]["chunk"] == report["removed"]["document"] == report["removed"]["file_part"] == 1
        assert error(client.get("/v1/models")) == (401, "invalid_api_key")
    assert error(operator.get(f"/admin/tenants/{name}")) == (404, "not_found")
    lines = operator.get("/admin/installation/audit", params={"limit": 1}).json()["data"]
    assert [(line["action"], line["subject"]) for line in lines] == [("tenant.deleted", name)]


def test_a_dead_database_of_one_tenant_stops_neither_the_service_nor_the_work_of_others(
    program: Ragstone, service: str, home: Path, operator: httpx.Client
) -> None:
    name = f"unlucky {next(_numbers)}"
    assert operator.post("/admin/tenants", json={"name": name, "placement": "own-database:vault"}).status_code == 200
    key = make_key(program, name, "--scopes", "read,write,admin")["key"]
    dead = program.having(databases=json.dumps({"vault": "host=/nowhere dbname=vault"}), databases_admin="{}")
    with dead.serving() as other, shown(other, key) as unlucky:
        answer = unlucky.get("/v1/files")
        assert error(answer) == (503, "database_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert unlucky.get("/admin/keys").status_code == 200  # which are in the installation's database
        store = fill(other, program.key, "Marble was limestone once.")
        with shown(other, program.key) as lucky:
            assert texts(lucky, store, "marble") == ["Marble was limestone once."]
    assert operator.delete(f"/admin/tenants/{name}").json()["deleted"] is True


def test_the_log_names_the_user_and_the_request(
    program: Ragstone, service: str, tenant: str, admin: httpx.Client
) -> None:
    admin.put("/admin/users/alice", json={}, headers={"x-request-id": "req-put-alice"})
    with shown(service, make_key(program, tenant, "--user", "alice")["key"]) as alice:
        alice.post("/v1/vector_stores", json={"name": "mine"}, headers={"x-request-id": "req-store"})
        admin.post(
            "/v1/vector_stores",
            json={"name": "theirs"},
            headers={"x-request-id": "req-behalf", "x-ragstone-on-behalf-of": "bob"},
        )
    page = admin.get("/admin/audit").json()
    told = {(line["actor"], line["request_id"], line["action"]) for line in page["data"]}
    assert {
        ("admin", "req-put-alice", "user.created"),
        ("command line", None, "key.created"),
        ("user:alice", "req-store", "store.created"),
        ("user:bob", "req-behalf", "store.created"),
    } <= told
    newest = admin.get("/admin/audit", params={"limit": 1}).json()
    assert newest["data"] == page["data"][:1]
    following = admin.get("/admin/audit", params={"limit": 1, "after": newest["last_id"]}).json()
    assert following["data"] == page["data"][1:2]
    for_scripts = program("audit", "--tenant", tenant, "--json").json["lines"]
    assert [line["id"] for line in for_scripts] == [line["id"] for line in page["data"]]
    assert admin.get("/admin/audit", params={"since": "2100-01-01T00:00:00Z"}).json()["data"] == []


def test_deleting_asks_first_and_then_proves_it(program: Ragstone, service: str, tenant: str) -> None:
    asked = subprocess.run(
        [*PROGRAM, "tenants", "delete", tenant],
        env=program.environment,
        input="n\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert asked.returncode == 1
    assert program("tenants", "show", tenant).status == 0
    outcome = program("tenants", "delete", tenant, "--yes", "--json")
    assert outcome.status == 0, outcome.err
    assert outcome.json["tenant"] == tenant
    assert set(outcome.json["left"].values()) == {0}
    assert outcome.json["removed"]["tenant"] == 1
    assert outcome.json["objects"] == {"removed": 0, "left": 0}
