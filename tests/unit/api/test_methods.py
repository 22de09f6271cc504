"""Methods and paths that nobody wrote a route for."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from loopback import Address, read_answer, serving

from ragstone.api import faults
from ragstone.api.door.methods import HeadAsGet


def make_app() -> FastAPI:
    app = FastAPI(redirect_slashes=False)
    faults.install(app)
    router = APIRouter(prefix="/v1/things")

    @router.get("")
    async def things() -> list[str]:
        return ["a", "b"]

    @router.post("")
    async def make() -> dict[str, str]:
        return {"id": "c"}

    @router.delete("/{thing}")
    async def remove(thing: str) -> dict[str, str]:
        return {"id": thing}

    @router.get("/{thing}")
    async def one(thing: str) -> dict[str, str]:
        return {"id": thing}

    app.include_router(router)
    app.add_middleware(HeadAsGet)
    return app


@pytest.fixture(scope="module")
def address() -> Iterator[Address]:
    with serving(make_app()) as address:
        yield address


@pytest.fixture
def http(address: Address) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address.url, timeout=30) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/v1/things", "GET, HEAD, OPTIONS, POST"),
        ("DELETE", "/v1/things", "GET, HEAD, OPTIONS, POST"),
        ("POST", "/v1/things/a", "DELETE, GET, HEAD, OPTIONS"),
        ("BREW", "/v1/things/a", "DELETE, GET, HEAD, OPTIONS"),
    ],
)
def test_a_wrong_method_is_told_all_the_right_ones(http: httpx.Client, method: str, path: str, allow: str) -> None:
    answer = http.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)
    assert answer.json()["error"]["code"] == "method_not_allowed"
    assert answer.json()["error"]["message"] == f"{path} knows no {method}. It knows {allow}"


def test_options_lists_the_methods(http: httpx.Client) -> None:
    answer = http.options("/v1/things/a")
    assert (answer.status_code, answer.headers["allow"], answer.content) == (204, "DELETE, GET, HEAD, OPTIONS", b"")


def test_head_is_get_without_a_body(address: Address, http: httpx.Client) -> None:
    whole, head = http.get("/v1/things"), http.head("/v1/things")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == whole.headers["content-length"] == str(len(whole.content))
    with address.connection() as connection:
        for _ in range(2):  # not one byte too many, or the next answer would begin with it
            connection.sendall(b"HEAD /v1/things HTTP/1.1\r\nhost: x\r\n\r\n")
            assert connection.recv(65536).endswith(b"\r\n\r\n")
        connection.sendall(b"GET /v1/things HTTP/1.1\r\nhost: x\r\n\r\n")
        assert read_answer(connection)[1] == whole.content


@pytest.mark.parametrize("path", ["/v1/nothing", "/v2/things", "/"])
def test_head_of_nothing_is_not_found(http: httpx.Client, path: str) -> None:
    assert http.head(path).status_code == 404


@pytest.mark.parametrize(
    "target",
    ["/v1/nothing", "/", "/v1/things/", "/v1/things/a/", "/v1//things", "//v1/things", "/v1/things/a/b", "/V1/things"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_path_is_taken_as_it_is_written(address: Address, method: str, target: str) -> None:
    # By hand, because clients tidy paths up.
    with address.connection() as connection:
        connection.sendall(f"{method} {target} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n".encode())
        head, body = read_answer(connection)
    assert head.startswith("http/1.1 404")
    assert "location" not in head
    assert b'"unknown_url"' in body
