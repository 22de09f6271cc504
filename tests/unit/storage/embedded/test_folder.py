"""Files of the data folder are replaced in one step."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ragstone.storage.embedded.account import Account
from ragstone.storage.embedded.folder import Folder, write_file


def test_a_file_gets_its_mode_whatever_the_umask(tmp_path: Path) -> None:
    former = os.umask(0o077)
    try:
        write_file(tmp_path / "file", "text", 0o644)
    finally:
        os.umask(former)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_that_says_the_same_is_left_alone_and_another_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_file(file, "one", 0o600)
    former = file.stat()
    write_file(file, "one", 0o600)
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (former.st_ino, former.st_mtime_ns)
    (tmp_path / "file.new").write_text("a former attempt")
    write_file(file, "two", 0o600)
    assert file.read_text() == "two"


def test_a_file_that_cannot_be_replaced_keeps_its_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    write_file(file, "one", 0o600)

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_file(file, "two", 0o600)
    assert file.read_text() == "one"


def test_a_home_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    for mode in (0o700, 0o755):
        tmp_path.chmod(mode)
        Folder(tmp_path).prepare(Account(54321, 54321, changes=True))
        assert tmp_path.stat().st_mode & 0o777 == mode
        assert (tmp_path / "postgres-run").stat().st_mode & 0o777 == 0o700


def test_a_new_home_is_closed_to_others_and_open_to_pass_through_where_the_server_is_another_user(
    tmp_path: Path,
) -> None:
    for changes, mode in ((False, 0o700), (True, 0o711)):
        home = tmp_path / str(changes)
        Folder(home).prepare(Account(54321, 54321, changes=changes))
        assert home.stat().st_mode & 0o777 == mode
