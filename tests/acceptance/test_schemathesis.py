"""Whatever is sent to whichever route, the service answers as its own description says, and never with a fault.

Each operation of the description is a test of its own: a new route is covered without a new line here. Random
identifiers find nothing, so half of the requests name what is really there and ask in words.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx
import openai
import pytest
import requests
import schemathesis
from acceptance.conftest import HANDBOOK
from acceptance.shipped import Ragstone
from folders import open_folder
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi import checks

from ragstone.api.app import interface

DESCRIPTION = interface().openapi()
QUESTION = "How long does an old key stay valid?"
EXAMPLES = 10  # of random requests to a route, besides those for each bound of each of its fields
OF_ALL_ROUTES = {"x-request-id", "x-ragstone-on-behalf-of", "x-ragstone-priority", "Idempotency-Key"}
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


def without_common_headers(description: dict[str, Any]) -> dict[str, Any]:
    """They would be varied anew for each route, and a key that is used twice hides the route behind a 409."""
    shown = copy.deepcopy(description)
    for operations in shown["paths"].values():
        for operation in operations.values():
            operation["parameters"] = [p for p in operation["parameters"] if p["name"] not in OF_ALL_ROUTES]
    return shown


_turns = count()

schema = schemathesis.openapi.from_dict(without_common_headers(DESCRIPTION), config=SchemathesisConfig(seed=20260101))


@pytest.fixture(scope="module")
def program() -> Iterator[Ragstone]:
    """A data folder of its own: what is there may be deleted."""
    home = open_folder("ragstone-fuzzed-")
    yield Ragstone(home, {})
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def address(program: Ragstone) -> Iterator[str]:
    with program.serving() as address:
        yield address


@pytest.fixture(scope="module")
def session(program: Ragstone, address: str) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.headers.update(program.headers)
        yield session


@dataclass
class World:
    """One of everything, by what its parameters are called; what a request has deleted is made anew."""

    address: str
    program: Ragstone
    there: dict[str, str] = field(default_factory=dict)

    def furnish(self) -> dict[str, str]:
        if not self.there:
            self.there = {**self._contents(), **self._administration()}
        return self.there

    def _contents(self) -> dict[str, str]:
        with openai.OpenAI(base_url=f"{self.address}/v1", api_key=self.program.key, max_retries=0) as client:
            file = client.files.create(file=("handbook.md", HANDBOOK.encode()), purpose="assistants").id
            store = client.vector_stores.create(file_ids=[file]).id
            batch = client.vector_stores.file_batches.create(store, file_ids=[file]).id
            tool: Any = {"type": "file_search", "vector_store_ids": [store]}
            response = client.responses.create(model="ragstone", input=QUESTION, tools=[tool]).id
            embedder = list(client.models.list())[-1].id
        found = {"batch": batch, "response": response, "file": file, "store": store}
        return {**found, "model": f"ragstone/{store}", "embedder": embedder}

    def _administration(self) -> dict[str, str]:
        with httpx.Client(base_url=f"{self.address}/admin", headers=self.program.headers, timeout=30) as client:
            client.post("/tenants", json={"name": "a tenant"})
            client.put("/users/alice", json={"groups": ["hr"]})
            key = client.post("/keys", json={}).json()["id"]
        return {"key": key, "tenants": "a tenant", "users": "alice"}


@pytest.fixture(scope="module")
def world(program: Ragstone, address: str) -> World:
    return World(address, program)


def sensible(value: Any, there: Mapping[str, str], name: str = "") -> Any:
    """The value with what is there in the places of what was made up, and with words in the places of blanks."""
    if isinstance(value, dict):
        return {inner: sensible(part, there, inner) for inner, part in value.items()}
    if isinstance(value, list):
        return [sensible(part, there, name) for part in value]
    if not isinstance(value, str):
        return QUESTION if name == "content" and value is None else value
    words = set(name.split("_"))
    if {"id", "ids", "model"} & words:
        return next((real for kind, real in there.items() if {kind, f"{kind}s"} & words), value)
    return "user" if name == "role" else value if value.strip() else QUESTION


def test_the_service_describes_itself_as_the_program_does(address: str, program: Ragstone) -> None:
    assert httpx.get(f"{address}/openapi.json", headers=program.headers).json() == DESCRIPTION


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_described(
    case: schemathesis.Case[Any], address: str, session: requests.Session, world: World
) -> None:
    if next(_turns) % 2:
        known = world.furnish()
        known = {**known, "model": known["embedder"]} if "embeddings" in case.path else known
        case.path_parameters = sensible(case.path_parameters, known)
        if "name" in case.path_parameters:
            case.path_parameters["name"] = known[case.path.split("/")[2]]  # of what is called by its name
        case.body = sensible(case.body, known)
    if case.method == "DELETE":
        world.there = {}
    case.validate_response(case.call(base_url=address, session=session), checks=CHECKS)
