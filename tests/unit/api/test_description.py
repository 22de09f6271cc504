"""What `/openapi.json` says holds for every route, those of tomorrow included."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

import jsonschema
import pytest

from ragstone.api.app import interface
from ragstone.api.door.identity import OPEN
from ragstone.domain import Scope

DESCRIPTION = interface().openapi()
OPERATIONS = [
    pytest.param(path, method, operation, id=f"{method.upper()} {path}")
    for path, operations in DESCRIPTION["paths"].items()
    for method, operation in operations.items()
]
_ASKING = ("/v1/responses", "/v1/chat", "/v1/embeddings")  # whoever may read may ask, and keep or call off the answer
each_operation = pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    found: Any = DESCRIPTION
    for step in part["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return cast("dict[str, Any]", found)


def references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "$ref":
                yield value
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def test_it_is_openapi_3_1_of_this_service_wherever_it_runs() -> None:
    assert DESCRIPTION["openapi"].startswith("3.1.")
    assert DESCRIPTION["info"].keys() >= {"title", "version", "description"}
    assert "servers" not in DESCRIPTION


def test_every_reference_leads_somewhere_and_every_component_is_used() -> None:
    named = set(references(DESCRIPTION))
    for reference in named:
        assert resolved({"$ref": reference})
    there = {
        f"#/components/{kind}/{name}"
        for kind, components in DESCRIPTION["components"].items()
        if kind != "securitySchemes"
        for name in components
    }
    assert there == named


def test_every_schema_is_a_schema() -> None:
    for schema in DESCRIPTION["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_operation_has_a_name_of_its_own() -> None:
    names = Counter(operation.values[2]["operationId"] for operation in OPERATIONS)  # type: ignore[index]
    assert [name for name, times in names.items() if times > 1] == []


def test_every_tag_is_described() -> None:
    used = {tag for parameters in OPERATIONS for tag in parameters.values[2]["tags"]}  # type: ignore[index]
    assert used == {tag["name"] for tag in DESCRIPTION["tags"] if tag["description"]}


@each_operation
def test_an_operation_says_what_it_is_for(path: str, method: str, operation: dict[str, Any]) -> None:
    assert operation["description"]
    assert len(operation["tags"]) == 1


@each_operation
def test_an_operation_says_who_may_ask(path: str, method: str, operation: dict[str, Any]) -> None:
    if path in OPEN:
        assert "security" not in operation
    else:
        scopes = [scope for way in operation["security"] for scope in way["bearer"]]
        assert scopes
        assert set(scopes) <= set(Scope)
        if method != "get" and not path.startswith(_ASKING) and not path.endswith("/search"):
            assert Scope.READ not in scopes


@each_operation
def test_an_operation_names_the_headers_that_it_reads(path: str, method: str, operation: dict[str, Any]) -> None:
    headers = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "header"}
    expected = {"x-request-id"}
    if path not in OPEN:
        expected |= {"x-ragstone-on-behalf-of", "x-ragstone-priority"}
        expected |= {"Idempotency-Key"} if method != "get" else set()
    assert headers >= expected


@each_operation
def test_every_error_of_an_operation_has_the_one_shape(path: str, method: str, operation: dict[str, Any]) -> None:
    errors = {int(status): answer for status, answer in operation["responses"].items() if int(status) >= 400}
    assert 422 not in errors
    expected = {500} if path in OPEN else {400, 401, 403, 429, 500, 503}
    assert errors.keys() >= expected
    for status, answer in errors.items():
        if path in OPEN and status != 500:
            continue  # a probe that says no
        [content] = resolved(answer)["content"].values()
        assert content["schema"] == {"$ref": "#/components/schemas/ErrorResponse"}


@each_operation
def test_every_answer_carries_the_id_of_its_request(path: str, method: str, operation: dict[str, Any]) -> None:
    for answer in operation["responses"].values():
        shown = resolved(answer) if "$ref" in answer else answer
        assert "x-request-id" in shown["headers"]


@each_operation
def test_every_answer_in_json_names_its_fields(path: str, method: str, operation: dict[str, Any]) -> None:
    for status, answer in operation["responses"].items():
        content = answer.get("content", {}).get("application/json")
        if status.startswith("2") and content is not None:
            schema = content["schema"]
            schema = resolved(schema) if "$ref" in schema else schema
            assert schema.get("properties") or schema.get("anyOf"), f"the fields of {status} are missing"


def test_the_library_of_agents_is_not_loaded_before_the_first_of_them_comes() -> None:
    code = "import sys, ragstone.api.app; sys.exit('mcp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
