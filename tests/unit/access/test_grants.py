"""Names, and groups that somebody gives himself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ragstone.access.askers import machine, person
from ragstone.access.grants import check_end, check_groups, checked_name
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


def test_only_who_lasts_for_ever_gives_for_ever() -> None:
    end = datetime(2030, 1, 1, 12, 0, 0, 900_000, tzinfo=UTC)
    check_end(None, None)
    check_end(None, end)
    check_end(end, end)
    with pytest.raises(PermissionDeniedError, match=r"never ends: your own ends at 2030-01-01T12:00:00Z\. Let it"):
        check_end(end, None)
    with pytest.raises(PermissionDeniedError, match="ends at 2030-01-02T12:00:00Z"):
        check_end(end, end + timedelta(days=1))


@pytest.mark.parametrize("name", ["", "  ", "a" * 256, "line\nbreak", "\0"])
def test_a_name_can_be_shown(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="no name for a user"):
        checked_name(name, "user")


def test_spaces_around_a_name_do_not_count() -> None:
    assert checked_name(" Jürgen Groß ", "user") == "Jürgen Groß"
