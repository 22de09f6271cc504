"""The keeper, with programs in the place of the server that behave well or badly."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from embedded_users import eventually, is_alive, needs_proc, parent

from ragstone.storage.embedded import keeper
from ragstone.storage.embedded.locks import LockFile, is_free

# The program as it runs in earnest, with less patience.
PROGRAM = """
import runpy, sys
main = runpy.run_path(sys.argv[2])["main"]
main.__globals__["SHUTDOWN_PATIENCE"] = {patience}
main()
"""
SERVER = """
import os, signal, sys, time
from pathlib import Path
for name in sys.argv[1].split():
    signal.signal(signal.Signals[name], signal.SIG_IGN)
Path("pid.new").write_text(str(os.getpid()))
os.rename("pid.new", "pid")
time.sleep(120)
"""


@dataclass
class Kept:
    """A server under a keeper, and the lock of its user."""

    folder: Path
    user: LockFile

    def start(self, *arguments: str, program: str = sys.executable, patience: int = 1) -> None:
        held = LockFile(self.folder / "keeper.lock")
        held.take()
        job: keeper.Job = {
            "argv": [program, *arguments],
            "cwd": str(self.folder),
            "env": {},
            "user": None,
            "mount": None,
            "users": str(self.user.path),
            "log": str(self.folder / "server.log"),
            "private": [held.descriptor],
            "parent": os.getpid(),
        }
        subprocess.run(
            [sys.executable, "-c", PROGRAM.format(patience=patience), "keep", keeper.__file__],
            input=json.dumps(job).encode(),
            check=True,
            pass_fds=[held.descriptor],
        )
        held.release()

    @property
    def server(self) -> int:
        assert eventually((self.folder / "pid").exists)
        return int((self.folder / "pid").read_text())

    def over(self) -> bool:
        """Whether the keeper has gone, after a moment if need be."""
        return eventually(lambda: is_free(self.folder / "keeper.lock"))


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    user = LockFile(tmp_path / "users.lock")
    user.take(shared=True)
    yield Kept(tmp_path, user)
    user.release()


@needs_proc
def test_the_server_ends_with_its_last_user(kept: Kept) -> None:
    kept.start("-c", SERVER, "")
    server = kept.server
    second = LockFile(kept.user.path)
    second.take(shared=True)
    kept.user.release()
    assert is_alive(server)
    assert not is_free(kept.folder / "keeper.lock")
    second.release()
    assert kept.over()
    assert not is_alive(server)


@needs_proc
@pytest.mark.parametrize("ignored", ["SIGINT", "SIGINT SIGQUIT"])
def test_a_server_that_will_not_end_is_made_to(kept: Kept, ignored: str) -> None:
    kept.start("-c", SERVER, ignored)
    server = kept.server
    kept.user.release()
    assert kept.over()
    assert not is_alive(server)


def test_a_user_who_leaves_before_the_server_runs_is_not_missed(kept: Kept) -> None:
    kept.user.release()
    for _ in range(15):  # the moment is a matter of luck
        kept.start("-c", SERVER, "", patience=60)
        assert eventually(lambda: is_free(kept.folder / "keeper.lock"), seconds=20)


@needs_proc
def test_the_keeper_goes_with_its_server(kept: Kept) -> None:
    kept.start("-c", SERVER, "")
    os.kill(kept.server, signal.SIGKILL)
    assert kept.over()


@needs_proc
@pytest.mark.skipif(not keeper.ON_LINUX, reason="only Linux tells a child")
def test_the_server_is_told_to_end_when_its_keeper_is_killed(kept: Kept) -> None:
    kept.start("-c", SERVER, "")
    server = kept.server
    os.kill(parent(server), signal.SIGKILL)
    assert eventually(lambda: not is_alive(server))


@needs_proc
def test_the_keeper_is_in_no_terminal_and_ignores_what_terminals_send(kept: Kept) -> None:
    kept.start("-c", SERVER, "")
    process = parent(kept.server)
    for sent in (signal.SIGINT, signal.SIGHUP):
        os.kill(process, sent)
    assert is_alive(process)
    assert {Path(f"/proc/{process}/fd/{number}").readlink().name for number in (0, 1, 2)} == {"null", "server.log"}
    os.kill(process, signal.SIGTERM)
    assert kept.over()


def test_a_program_that_cannot_be_started_leaves_its_reason_in_the_log(kept: Kept) -> None:
    kept.start(program="/no/such/program")
    assert kept.over()
    log = (kept.folder / "server.log").read_text()
    assert log == "FATAL:  /no/such/program cannot be started: No such file or directory\n"


def test_a_log_that_grows_too_large_goes_on_from_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "LOG_LIMIT", 100)
    log = tmp_path / "server.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"x" * 100)
        keeper.bound_log(str(log))
        assert log.stat().st_size == 100
        writer.write(b"last")
        keeper.bound_log(str(log))
        writer.write(b"next")
    assert log.read_bytes() == b"next"
    assert (tmp_path / "server.log.1").read_bytes() == b"x" * 46 + b"last"


def test_a_call_that_the_system_refuses_or_does_not_know_is_an_error() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        keeper.call("close", -1)
    with pytest.raises(OSError, match="not implemented"):
        keeper.call("no_such_function_at_all")
