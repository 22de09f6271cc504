"""What a JSON body may hold, and what a client is told whose body is none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI, Form, Request
from loopback import serving
from pydantic import BaseModel
from starlette.types import Message

from ragstone.api import faults
from ragstone.api.door.json_bodies import DEEPEST, LARGEST, MOST_NAMES, MOST_VALUES, JsonBodies

JSON = {"content-type": "application/json"}


class Anything(BaseModel):
    """Takes whatever the parser takes."""

    value: object = None
    note: str = ""


def make_app() -> FastAPI:
    app = FastAPI()
    faults.install(app)

    @app.post("/v1/things")
    @app.post("/mcp")
    async def take(body: Anything) -> dict[str, object]:
        return {"value": body.value, "note": body.note}

    @app.post("/v1/raw")
    async def raw(request: Request) -> dict[str, int]:
        return {"length": len(await request.body())}

    @app.post("/v1/forms")
    async def form(name: Annotated[str, Form()]) -> dict[str, str]:
        return {"name": name}

    app.add_middleware(JsonBodies)
    return app


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with serving(make_app()) as address, httpx.Client(base_url=address.url, timeout=30) as client:
        yield client


def error_of(answer: httpx.Response, status: int = 400) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    error: dict[str, str] = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    return error


def nested(depth: int) -> bytes:
    return b'{"value": ' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "Expecting property name"),
        (b'{"value": 1,}', "property name"),
        (b'{"value": 1} {}', "Extra data"),
        (b'{"value": "a\x00b"}', "Invalid control character"),
        (b'{"value": NaN}', "NaN is no JSON"),
        (b'{"value": [Infinity]}', "Infinity is no JSON"),
        (b'{"value": -Infinity}', "-Infinity is no JSON"),
        (b'{"value": 1e999}', "a number is too large"),
        (b'{"value": -1e999}', "a number is too large"),
        (b'{"value": 9223372036854775808}', "more than 64 bits"),
        (b'{"value": -9223372036854775808}', "more than 64 bits"),
        (b'{"value": 1' + b"0" * 5000 + b"}", "Exceeds the limit"),
        (b'{"value": "caf\xe9"}', "it is not UTF-8"),
        ('{"value": "wide"}'.encode("utf-16"), "it is not UTF-8"),
        (b'{"value": "\xed\xa0\x80"}', "it is not UTF-8"),
        (b'{"value": "a\\u0000b"}', "the character U+0000"),
        (b'{"a\\u0000b": 1}', "the character U+0000"),
        (b'{"value": [{"deep": "\\ud800"}]}', "half of a surrogate pair"),
        (b'{"value": "\\udc00\\ud800"}', "half of a surrogate pair"),
        (nested(DEEPEST + 1), "nested more than 100 deep"),
        (nested(50_000), "nested more than 100 deep"),
        (b"[" * 50_000, "nested more than 100 deep"),
        (b'{"a":' * 50_000, "nested more than 100 deep"),
    ],
)
def test_a_body_that_could_not_be_stored_is_refused_with_the_reason(
    http: httpx.Client, body: bytes, reason: str
) -> None:
    error = error_of(http.post("/v1/things", content=body, headers=JSON))
    assert error["code"] == "invalid_json"
    assert reason in error["message"]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "caf\u00e9 \U0001f600 \x01\x7f",
        "\ud7ff\ue000",
        LARGEST,
        -LARGEST,
        0.1,
        1e308,
        5e-324,
        None,
        True,
        [{}],
        {"": ""},
    ],
)
def test_everything_else_passes_unchanged(http: httpx.Client, value: object) -> None:
    for ascii_only in (True, False):
        body = json.dumps({"value": value}, ensure_ascii=ascii_only).encode()
        assert http.post("/v1/things", content=body, headers=JSON).json()["value"] == value


def test_a_body_may_be_as_deep_as_it_is_said(http: httpx.Client) -> None:
    assert http.post("/v1/things", content=nested(DEEPEST), headers=JSON).status_code == 200


def test_a_byte_order_mark_is_no_fault(http: httpx.Client) -> None:
    answer = http.post("/v1/things", content=b'\xef\xbb\xbf{"value": 1}', headers=JSON)
    assert answer.json()["value"] == 1


def with_values(number: int, value: str = "[{}]") -> bytes:
    """A document of so many values in a field that nobody reads."""
    each = value.count("[") + value.count("{") + 1
    return f'{{"ignored": [{",".join([value] * ((number - 2) // each))}]}}'.encode()


@pytest.mark.parametrize("path", ["/v1/things", "/mcp"])
@pytest.mark.parametrize("value", ["[{}]", "1", '"a"', '{"a":"b,c"}'])
def test_a_body_of_too_many_values_is_refused_unparsed(http: httpx.Client, path: str, value: str) -> None:
    many = with_values(MOST_VALUES + 10, value)
    for body in (many, many[:-2]):  # it is not even looked at whether it ends
        error = error_of(http.post(path, content=body, headers=JSON))
        assert error["code"] == "invalid_json"
        assert "more than 100,000 values. Send less at once" in error["message"]
    assert http.post(path, content=with_values(MOST_VALUES, value), headers=JSON).status_code == 200


@pytest.mark.parametrize("text", [",[{" * MOST_VALUES, '\\",[' * MOST_VALUES, "\\" * 4 * MOST_VALUES])
def test_what_begins_a_value_begins_none_within_a_text(http: httpx.Client, text: str) -> None:
    note = json.dumps({"note": text, "ignored": [text]}).encode()
    assert http.post("/v1/things", content=note, headers=JSON).json()["note"] == text


@pytest.mark.parametrize(
    "body", [b'""' * 1_500_000 + b"," * MOST_VALUES, b'"' + b'\\"' * 1_500_000 + b"," * MOST_VALUES]
)
def test_what_is_no_json_at_all_is_no_more_work(http: httpx.Client, body: bytes) -> None:
    assert error_of(http.post("/v1/things", content=body, headers=JSON))["code"] == "invalid_json"


def test_an_object_of_too_many_names_is_refused(http: httpx.Client) -> None:
    names = {f"key {n}": n for n in range(MOST_NAMES - 1)}
    assert http.post("/v1/things", json=names | {"value": 1}).json()["value"] == 1
    error = error_of(http.post("/v1/things", json={"value": [names | {"value": 1, "one": 2}]}))
    assert error["code"] == "invalid_json"
    assert "an object has more than 1,000 names" in error["message"]


@pytest.mark.parametrize("path", ["/mcp", "/v1/raw"])
def test_routes_that_look_at_their_bodies_themselves_get_them_byte_for_byte(http: httpx.Client, path: str) -> None:
    # The one speaks another protocol, the other's body does not say that it is JSON.
    kind = {"content-type": "application/octet-stream"} if path == "/v1/raw" else JSON
    answer = http.post(path, content=b'{"value": [9223372036854775808, "\\u0000"]}', headers=kind)
    assert answer.status_code == 200


def test_a_body_in_many_pieces_is_one_body(http: httpx.Client) -> None:
    pieces = (bytes([byte]) for byte in b'{"value": "caf\xc3\xa9"}')
    assert http.post("/v1/things", content=pieces, headers=JSON).json()["value"] == "caf\u00e9"


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", "application/problem+json"])
def test_json_goes_by_several_names(http: httpx.Client, kind: str) -> None:
    assert http.post("/v1/things", content=b'{"value": 1}', headers={"content-type": kind}).status_code == 200
    error = error_of(http.post("/v1/things", content=b"{", headers={"content-type": kind}))
    assert error["code"] == "invalid_json"


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "nonsense", None]
)
def test_a_body_that_is_not_said_to_be_json_is_refused(http: httpx.Client, kind: str | None) -> None:
    headers = {} if kind is None else {"content-type": kind}
    error = error_of(http.post("/v1/things", content=b'{"value": 1}', headers=headers), 415)
    assert error["code"] == "unsupported_media_type"
    assert "Content-Type: application/json" in error["message"]


def test_a_missing_body_is_said_to_be_missing(http: httpx.Client) -> None:
    for headers in (JSON, {}):
        assert error_of(http.post("/v1/things", headers=headers))["message"] == "Field required"


def test_a_form_is_still_read_as_one(http: httpx.Client) -> None:
    assert http.post("/v1/forms", data={"name": "x"}).json() == {"name": "x"}
    assert error_of(http.post("/v1/forms", json={"name": "x"}))["param"] == "name"


def test_a_client_that_leaves_in_the_middle_gets_nothing_and_does_nothing() -> None:
    reached = []

    async def app(*_: object) -> None:
        reached.append(True)

    coming: list[Message] = [
        {"type": "http.request", "body": b'{"value"', "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return coming.pop(0)

    async def send(message: Message) -> None:
        raise AssertionError(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/x", "headers": [(b"content-type", b"application/json")]}
    asyncio.run(JsonBodies(app)(scope, receive, send))
    assert reached == []
