"""People come with tokens of their own issuer, and see what their groups may see."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import openai
import pytest
from acceptance.shipped import Ragstone
from folders import open_folder
from issuer import LocalIssuer

AUDIENCE = "ragstone"


@dataclass(frozen=True)
class Place:
    """A service that trusts an issuer."""

    issuer: LocalIssuer
    address: str
    key: str

    def token(self, user: str, *groups: str, **claims: object) -> str:
        return self.issuer.mint(**{"sub": user, "groups": list(groups), "aud": AUDIENCE, **claims})  # type: ignore[arg-type]

    def client(self, token: str) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.address}/v1", api_key=token, max_retries=0)


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    home = open_folder("ragstone-oidc-")
    with LocalIssuer() as issuer:
        entry = {
            "issuer": issuer.url,
            "audience": AUDIENCE,
            "tenant": "default",
            "scopes": {"docs.write": "write"},
        }
        program = Ragstone(home, {"RAGSTONE_OIDC": json.dumps([entry])})
        with program.serving() as address:
            yield Place(issuer, address, program.key)
    shutil.rmtree(home, ignore_errors=True)


def test_groups_of_the_token_decide_what_is_found(place: Place) -> None:
    with place.client(place.key) as owner:
        store = owner.vector_stores.create(name="handbook").id
        for name, readers in (("salaries", '["group:hr"]'), ("holidays", "[]")):
            content = f"The table of {name} is kept in the {name} cabinet.".encode()
            uploaded = owner.files.create(
                file=(f"{name}.txt", content), purpose="assistants", extra_body={"readers": readers}
            )
            owner.vector_stores.files.create_and_poll(uploaded.id, vector_store_id=store, poll_interval_ms=50)

    def found(token: str) -> set[str]:
        with place.client(token) as client:
            return {hit.filename for hit in client.vector_stores.search(store, query="Where is the table?").data}

    assert found(place.token("alice", "hr", "staff")) == {"salaries.txt", "holidays.txt"}
    assert found(place.token("bob", "staff")) == {"holidays.txt"}


def test_scopes_of_the_token_decide_what_may_be_done(place: Place) -> None:
    with place.client(place.token("bob", scope="docs.read")) as client, pytest.raises(openai.PermissionDeniedError):
        client.vector_stores.create(name="mine")
    with place.client(place.token("bob", scope="docs.write other")) as client:
        assert client.vector_stores.create(name="mine").name == "mine"


@pytest.mark.parametrize(
    "claims", [{"aud": "another"}, {"exp": 1}, {"iss": "https://elsewhere.example"}, {"sub": "nul\x00"}]
)
def test_a_token_that_does_not_fit_opens_nothing(place: Place, claims: dict[str, object]) -> None:
    token = place.token("bob", **claims)
    answer = httpx.get(f"{place.address}/v1/models", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"
    assert token not in answer.text


def test_keys_that_the_issuer_changes_are_fetched_again(place: Place) -> None:
    with place.client(place.token("bob")) as client:
        client.vector_stores.list()
    place.issuer.rotate()
    headers = {"authorization": f"Bearer {place.token('bob')}"}
    deadline = httpx.Timeout(30)
    answers = [httpx.get(f"{place.address}/v1/files", headers=headers, timeout=deadline) for _ in range(1)]
    while answers[-1].status_code != 200 and len(answers) < 40:
        import time

        time.sleep(0.25)  # it asks an issuer at most every few seconds
        answers.append(httpx.get(f"{place.address}/v1/files", headers=headers, timeout=deadline))
    assert answers[-1].status_code == 200
