"""What is taken for a server that is alive."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from embedded_users import eventually, needs_proc

from ragstone.errors import DatabaseError
from ragstone.storage.embedded import stale
from ragstone.storage.embedded.folder import Folder
from ragstone.storage.embedded.locks import LockFile

pytestmark = needs_proc


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A data folder without databases."""
    folder = Folder(tmp_path)
    for each in (folder.data, folder.sockets, folder.run):
        each.mkdir(parents=True)
    return folder


def impostor(
    tmp_path: Path, cwd: Path, name: str = "postgres", *, inherits: tuple[int, ...] = ()
) -> subprocess.Popen[bytes]:
    """A process that is called like a server and does nothing."""
    sleep = shutil.which("sleep")
    assert sleep is not None
    program = tmp_path / "bin" / name
    program.parent.mkdir(exist_ok=True)
    if not program.exists():
        shutil.copy(sleep, program)
    process = subprocess.Popen([program, "60"], cwd=cwd, pass_fds=inherits)
    assert eventually(lambda: Path(f"/proc/{process.pid}/comm").read_text().strip() == name)
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def test_only_a_postgresql_in_this_very_folder_counts(folder: Folder, tmp_path: Path) -> None:
    elsewhere = impostor(tmp_path, tmp_path)
    other = impostor(tmp_path, folder.data, "bystander")
    server = impostor(tmp_path, folder.data)
    try:
        assert list(stale.server_processes(folder)) == [server.pid]
    finally:
        for process in (elsewhere, other, server):
            end(process)
    assert list(stale.server_processes(folder)) == []


def test_leftovers_are_removed(folder: Folder) -> None:
    (folder.data / "postmaster.pid").write_text(f"{os.getpid()}\n")
    (folder.data / "PG_VERSION").write_text("18\n")
    (folder.sockets / ".s.PGSQL.5432.lock").write_text("1\n")
    (folder.staging / "base").mkdir(parents=True)
    stale.clear(folder)
    assert not folder.staging.exists()
    assert list(folder.sockets.iterdir()) == []
    assert [path.name for path in folder.data.iterdir()] == ["PG_VERSION"]


def test_nothing_is_removed_under_a_server_that_somebody_else_started(folder: Folder, tmp_path: Path) -> None:
    (folder.data / "postmaster.pid").write_text("1\n")
    server = impostor(tmp_path, folder.data)
    try:
        with pytest.raises(DatabaseError, match=f"process {server.pid}"):
            stale.clear(folder)
    finally:
        end(server)
    assert (folder.data / "postmaster.pid").exists()


def test_orphans_are_ended_ever_less_gently(folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stale, "ENDINGS", tuple((ending, min(patience, 0.2)) for ending, patience in stale.ENDINGS))
    lock, orphans = LockFile(folder.run / "server.lock"), LockFile(folder.run / "server.lock")
    orphans.take()
    with pytest.raises(DatabaseError, match="does not end"):
        stale.evict(folder, lock)
    orphan = impostor(tmp_path, folder.data, inherits=(orphans.descriptor,))
    orphans.release()
    stale.evict(folder, lock)
    assert lock.held
    assert orphan.wait(timeout=30) != 0
    lock.release()


def test_without_proc_the_lock_file_names_the_server(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stale, "PROCESSES", tmp_path / "no-proc")
    server = impostor(tmp_path, folder.data)
    try:
        (folder.data / "postmaster.pid").write_text(f"{server.pid}\n/somewhere\n")
        assert list(stale.server_processes(folder)) == [server.pid]
        (folder.data / "postmaster.pid").write_text(f"{os.getpid()}\n/somewhere\n")
        assert list(stale.server_processes(folder)) == []
        (folder.data / "postmaster.pid").write_text("")
        assert list(stale.server_processes(folder)) == []
    finally:
        end(server)
