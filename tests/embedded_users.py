"""Processes that use an embedded server, and eyes for what they start."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from folders import MEMORY

import ragstone
from ragstone.storage.embedded import EmbeddedServer
from ragstone.storage.embedded.account import Account
from ragstone.storage.embedded.folder import Folder
from ragstone.storage.embedded.stale import server_processes

AS_ROOT = os.geteuid() == 0
NOBODY = 65534
SOURCE = Path(ragstone.__file__).resolve().parents[1]
needs_root = pytest.mark.skipif(not AS_ROOT, reason="needs root")
needs_proc = pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="needs /proc")

USER = """
import sys
from pathlib import Path
from ragstone.errors import RagstoneError
from ragstone.storage.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]))
try:
    server.start()
except RagstoneError as error:
    print(type(error).__name__, error, flush=True)
    sys.exit(1)
print("ready", server.dsn("ragstone"), flush=True)
sys.stdin.read()
server.stop()
"""


@functools.cache
def template() -> Path:
    """A home with fresh databases and a stopped server, made once."""
    folder = Path(tempfile.mkdtemp(prefix="ragstone-template-", dir=MEMORY))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with EmbeddedServer(folder / "home"):
        pass
    return folder / "home"


def fresh_home(path: Path) -> Path:
    """A copy of the template; much quicker than making databases."""
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", template(), path], check=True)
    return path


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that every user can get to, unlike those of pytest when root runs it."""
    with tempfile.TemporaryDirectory(prefix="ragstone-open-", dir=MEMORY) as name:
        Path(name).chmod(0o711)
        yield Path(name)


@dataclass
class User:
    """Another process that holds the server of a home."""

    process: subprocess.Popen[str]
    answer: str = ""

    def await_answer(self) -> str:
        """`ready` and a connection string, or the error."""
        assert self.process.stdout is not None
        self.answer = self.process.stdout.readline().strip()
        return self.answer

    def let_go(self) -> None:
        """Stop as told; wait for it."""
        self.process.communicate("", timeout=90)

    def kill(self) -> None:
        """End without any chance to clean up."""
        self.process.kill()
        self.process.communicate(timeout=30)


def start_user(home: Path, *, prefix: tuple[str | Path, ...] = (), **env: str) -> User:
    """Start another process that starts or joins the server; does not wait for it."""
    process = subprocess.Popen(
        [*prefix, sys.executable, "-c", USER, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd="/",
        env=os.environ | {"PYTHONPATH": str(SOURCE)} | env,
    )
    return User(process)


def as_user(uid: int) -> tuple[str | Path, ...]:
    """Prefix of a command: run it as a normal user, to whom Python and this checkout are opened where they are closed.

    In a mount namespace of the command, so that nothing changes for others.
    """
    account = Account(uid, uid)
    needed = {Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve(), SOURCE}
    closed = [path for path in needed if not account.may_enter(path)]
    tops = {next(each for each in reversed(path.parents) if not account.may_enter(each)) for path in closed}
    open_up = [
        "mount -t tmpfs tmpfs /mnt",
        *(f"mkdir /mnt/{number} && mount --bind '{path}' /mnt/{number}" for number, path in enumerate(closed)),
        *(f"mount -t tmpfs -o mode=755 tmpfs '{top}'" for top in tops),
        *(f"mkdir -p '{path}' && mount --bind /mnt/{number} '{path}'" for number, path in enumerate(closed)),
    ]
    become = ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups")
    return ("unshare", "--mount", "sh", "-ec", "\n".join([*open_up, 'exec "$@"']), "sh", *become)


@contextlib.contextmanager
def user(home: Path, **options: Any) -> Iterator[User]:
    """Another process that has the server ready, or has its error; ended at the end."""
    other = start_user(home, **options)
    try:
        other.await_answer()
        yield other
    finally:
        if other.process.poll() is None:
            other.let_go()
        elif other.process.stdout is not None:
            other.process.communicate()


def postmaster(home: Path) -> int:
    """The process id of the running server."""
    return int((Folder(home).data / "postmaster.pid").read_text().split("\n")[0])


def parent(process: int) -> int:
    """The process id of a process's parent: the keeper, for a server."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def is_alive(process: int) -> bool:
    """Whether a thread of the process runs, zombies aside: one that is left holds the process's locks."""
    try:
        states = [task.joinpath("stat").read_text() for task in Path(f"/proc/{process}/task").iterdir()]
    except (FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{process}").exists() and is_alive(process)
    return any(state.rpartition(")")[2].split()[0] != "Z" for state in states)


def nothing_runs(home: Path, *processes: int) -> bool:
    """Whether neither these processes nor any server of the home is alive, after a moment if need be."""
    return eventually(lambda: not any(map(is_alive, processes)) and not list(server_processes(Folder(home))))


def eventually(holds: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Whether something comes true in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def query(dsn: str, statement: str) -> list[tuple[Any, ...]]:
    """The rows of one committed statement."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def kill(*processes: int) -> None:
    """SIGKILL."""
    for process in processes:
        os.kill(process, signal.SIGKILL)
