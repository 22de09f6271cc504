"""Locks that die with their holder."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ragstone.storage.embedded.locks import LockFile, is_free

HOLDER = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.lock"


def test_one_takes_it_and_another_does_not(path: Path) -> None:
    one, other = LockFile(path), LockFile(path)
    assert one.take()
    assert one.take()
    assert not other.take()
    assert not is_free(path)
    one.release()
    one.release()
    assert not one.held
    assert other.take()
    other.release()


def test_several_share_it_and_keep_out_who_wants_it_alone(path: Path) -> None:
    one, other, alone = LockFile(path), LockFile(path), LockFile(path)
    assert one.take(shared=True)
    assert other.take(shared=True)
    assert is_free(path, shared=True)
    assert not alone.take()
    one.release()
    assert not alone.take()
    other.release()
    assert alone.take()
    assert not is_free(path, shared=True)
    alone.release()


def test_waiting_ends_when_it_becomes_free_or_patience_ends(path: Path) -> None:
    one, other = LockFile(path), LockFile(path)
    one.take()
    started = time.monotonic()
    assert not other.wait(0.05)
    assert time.monotonic() - started >= 0.05
    threading.Timer(0.05, one.release).start()
    assert other.wait(30)
    other.release()


def test_a_killed_process_holds_nothing(path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert not is_free(path)
        holder.kill()
    assert is_free(path)


def test_a_program_we_start_does_not_inherit_it_unless_told(path: Path) -> None:
    lock = LockFile(path)
    lock.take()
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    bystander = subprocess.Popen(command)
    lock.release()
    assert lock.take()
    heir = subprocess.Popen(command, pass_fds=[lock.descriptor])
    lock.release()
    assert not is_free(path)
    for process in (bystander, heir):
        process.kill()
        process.wait()
    assert is_free(path)
