"""What a user of the operating system may reach, told from modes and owners."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from ragstone.errors import DatabaseError
from ragstone.storage.embedded import account
from ragstone.storage.embedded.account import Account, server_account

STRANGER = Account(uid=54321, gid=54321)
OURSELVES = Account(os.geteuid(), os.getegid())


@pytest.fixture
def open_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as if all above it were open to everyone."""
    monkeypatch.setattr(Path, "parents", property(lambda path: _below(path, tmp_path)))
    tmp_path.chmod(0o755)
    return tmp_path


def _below(path: Path, top: Path) -> tuple[Path, ...]:
    found: list[Path] = []
    while path not in (top, path.parent):
        path = path.parent
        found.append(path)
    return tuple(found)


@pytest.mark.parametrize(
    ("mode", "enters"), [(0o755, True), (0o711, True), (0o701, True), (0o750, False), (0o700, False)]
)
def test_a_stranger_enters_what_others_may_pass_through(open_path: Path, mode: int, enters: bool) -> None:
    (open_path / "middle" / "inner").mkdir(parents=True)
    (open_path / "middle").chmod(mode)
    assert STRANGER.may_enter(open_path / "middle" / "inner") is enters


def test_the_group_of_a_folder_counts_for_its_members_even_where_others_are_better_off(open_path: Path) -> None:
    folder = open_path / "folder"
    folder.mkdir()
    folder.chmod(0o701)
    assert not Account(STRANGER.uid, folder.stat().st_gid).may_enter(folder)
    folder.chmod(0o710)
    assert Account(STRANGER.uid, folder.stat().st_gid).may_enter(folder)


@pytest.mark.parametrize(("mode", "reads", "runs"), [(0o755, True, True), (0o644, True, False), (0o711, False, False)])
def test_a_program_has_to_be_readable_and_executable(open_path: Path, mode: int, reads: bool, runs: bool) -> None:
    file = open_path / "postgres"
    file.write_text("")
    file.chmod(mode)
    assert STRANGER.may_read(file) is reads
    assert STRANGER.may_read(file, run=True) is runs


def test_the_door_behind_a_link_counts(open_path: Path) -> None:
    (open_path / "closed" / "inner").mkdir(parents=True)
    (open_path / "link").symlink_to(open_path / "closed" / "inner")
    (open_path / "closed").chmod(0o700)
    assert not STRANGER.may_enter(open_path / "link")


def test_a_normal_user_runs_the_server_himself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: pwd.getpwnam("nobody").pw_uid)
    assert server_account() == Account(pwd.getpwnam("nobody").pw_uid, os.getegid())


def test_root_has_it_run_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    entry = pwd.getpwnam("nobody")
    assert server_account() == Account(entry.pw_uid, entry.pw_gid, changes=True)


def test_root_without_a_nobody_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(account, "UNPRIVILEGED", "no-such-user")
    with pytest.raises(DatabaseError, match="no user 'no-such-user'") as caught:
        server_account()
    assert "RAGSTONE_DATABASE_URL" in caught.value.remedy


def test_a_user_id_without_an_entry_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(DatabaseError, match="user id 54321") as caught:
        server_account()
    assert "useradd" in caught.value.remedy
