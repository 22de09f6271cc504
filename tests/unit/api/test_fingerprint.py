"""What makes two requests the same one."""

from __future__ import annotations

import pytest

from ragstone.access.askers import machine
from ragstone.api.door.fingerprint import head_of
from ragstone.domain import Scope, Tenant

STORE = "x-ragstone-store"
VERSION = "mcp-protocol-version"


def head(*headers: tuple[str, str]) -> bytes:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    scope = {"type": "http", "method": "POST", "path": "/mcp", "query_string": b"", "headers": raw}
    return head_of(scope, machine(Tenant(1, "acme", 1), frozenset({Scope.READ})))


@pytest.mark.parametrize(
    "other",
    [[], [(STORE, "b")], [(STORE, "b"), (STORE, "a")], [(STORE, "a"), (VERSION, "2025-11-25")]],
)
def test_a_header_that_decides_the_answer_makes_another_request(other: list[tuple[str, str]]) -> None:
    assert head((STORE, "a")) != head(*other)


def test_what_does_not_decide_the_answer_may_change_between_attempts() -> None:
    first = head((STORE, "a"), (VERSION, "2025-06-18"), ("user-agent", "a"), ("x-request-id", "1"))
    assert first == head(("x-request-id", "2"), (VERSION, "2025-06-18"), ("accept", "*/*"), (STORE, "a"))
