"""What the service shows of its models, and to whom; how a store steers the answers from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from clerks import Office, make_store, refusal

from ragstone.domain import Scope, Tenant
from ragstone.settings import Settings
from ragstone.storage.contents.index import PostgresIndex
from ragstone.storage.database import Database

pytestmark = pytest.mark.anyio

MODELS = """
[[models]]
name = "near"
url = "http://127.0.0.1:9/v1"
model = "m"
key_env = "NOT_SET_ANYWHERE"

[[models]]
name = "ranks"
kind = "rerank"
url = "http://127.0.0.1:9/v1"
group = 1
"""


@pytest.fixture
def office(database: Database, tenant: Tenant, tmp_path: Path) -> Office:
    file = tmp_path / "models.toml"
    file.write_text(MODELS)
    return Office(database, tenant, Settings(models_file=file))


async def test_members_are_shown_to_administrators_and_operators_alone(office: Office) -> None:
    for scope in (Scope.ADMIN, Scope.OPERATOR):
        async with office.caller(scopes=[scope]) as client:
            answer = await client.get("http://service/admin/models")
            assert answer.status_code == 200, answer.text
            shown = {member["name"]: member for member in answer.json()["data"]}
            assert {name: member["kind"] for name, member in shown.items()} == {"near": "chat", "ranks": "rerank"}
            assert shown["near"]["state"] == "ready"
            assert "127.0.0.1" not in answer.text
    async with office.caller() as client:
        error = await refusal(client.get("http://service/admin/models"), 403)
        assert error["message"].startswith("This key lacks the scope admin or operator")


async def test_figures_need_no_key_and_name_nobody(office: Office) -> None:
    async with office.caller() as client:
        answer = await client.get("http://service/metrics", headers={"authorization": ""})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert 'ragstone_model_state{member="near",state="ready"} 1.0' in answer.text
        assert office.tenant.name not in answer.text


async def test_the_service_is_ready_whatever_its_models_are(office: Office) -> None:
    async with office.caller() as client:
        answer = await client.get("http://service/readyz", headers={"authorization": ""})
        assert answer.status_code == 200
        assert answer.json()["checks"]["models"] == {"ok": True}


async def test_what_a_store_s_metadata_says_comes_with_the_store(office: Office) -> None:
    index = PostgresIndex(office.database, office.all_seeing)
    async with office.caller() as client:
        store = await make_store(client, name="steered", metadata={"ragstone_strategy": "react", "team": "x"})
        assert (await index.store(store)).metadata == {"ragstone_strategy": "react", "team": "x"}
        for wrong in ({"ragstone_rewriting": "all"}, {"ragstone_unsupported": ""}):
            error = await refusal(client.post(f"/vector_stores/{store}", json={"metadata": wrong}))
            assert "not one of" in error["message"]
        assert (await client.post(f"/vector_stores/{store}", json={"metadata": {"team": "y"}})).status_code == 200
        assert (await index.store(store)).metadata == {"team": "y"}
