"""Names, and groups that somebody gives himself."""

from __future__ import annotations

import pytest

from ragstone.access.askers import machine, person
from ragstone.access.grants import check_groups, checked_name
from ragstone.domain import Scope, Tenant
from ragstone.errors import InvalidRequestError, PermissionDeniedError

TENANT = Tenant(1, "acme", 1)
ADMIN = frozenset({Scope.ADMIN})


def test_nobody_puts_himself_into_a_group() -> None:
    alice = person(TENANT, "alice", ["eng"], ADMIN)
    check_groups(alice, "alice", [])
    check_groups(alice, "alice", ["eng"])
    check_groups(alice, "bob", ["hr"])
    check_groups(machine(TENANT, ADMIN), "alice", ["hr"])
    with pytest.raises(PermissionDeniedError, match="group hr"):
        check_groups(alice, "alice", ["eng", "hr"])


@pytest.mark.parametrize("name", ["", "  ", "a" * 256, "line\nbreak", "\0"])
def test_a_name_can_be_shown(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="no name for a user"):
        checked_name(name, "user")


def test_spaces_around_a_name_do_not_count() -> None:
    assert checked_name(" Jürgen Groß ", "user") == "Jürgen Groß"
