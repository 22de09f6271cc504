"""PostgreSQL servers as a team runs them: reached over TCP, one a streaming replica of the other."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from ragstone.storage.embedded.account import server_account
from ragstone.storage.embedded.folder import Folder
from ragstone.storage.embedded.program import Program, find_program

USER = "owner"
DATABASE = "ragstone"

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "wal_level": "replica",
    "max_wal_senders": "4",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "dynamic_shared_memory_type": "mmap",
    "wal_receiver_status_interval": "1s",
    "wal_retrieve_retry_interval": "200ms",
    "hot_standby": "on",
}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@dataclass
class Server:
    """A server in a folder of its own."""

    program: Program
    data: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        return f"host=127.0.0.1 port={self.port} user={USER} dbname={DATABASE}"

    def run(self, name: str, *arguments: str) -> None:
        user, group = _as_server()
        done = subprocess.run(
            [self.program.path(name), *arguments],
            cwd=self.data.parent,
            capture_output=True,
            check=False,
            user=user,
            group=group,
        )
        assert done.returncode == 0, done.stderr.decode()

    def start(self) -> None:
        user, group = _as_server()
        settings = [argument for name, value in _SETTINGS.items() for argument in ("-c", f"{name}={value}")]
        self.process = subprocess.Popen(
            [self.program.path("postgres"), "-D", str(self.data), "-p", str(self.port), *settings],
            cwd=self.data,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            user=user,
            group=group,
        )
        until(self._answers)

    def kill(self) -> None:
        """As a machine dies: all of its processes at once."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def execute(self, statement: str, database: str = DATABASE) -> list[tuple[object, ...]]:
        with psycopg.connect(self.dsn, dbname=database, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, "the server ended"
        with suppress(psycopg.OperationalError):
            self.execute("SELECT 1", "postgres")
            return True
        return False


@contextmanager
def pair(folder: Path) -> Iterator[tuple[Server, Server]]:
    """A primary with an empty database, and a replica that has all that the primary confirms."""
    account = server_account()
    program = find_program(None, Folder(folder), account)
    home = folder / "clusters"
    home.mkdir()
    os.chown(home, account.uid, account.gid)
    primary, replica = Server(program, home / "primary"), Server(program, home / "replica")
    primary.run("initdb", "-D", str(primary.data), "-U", USER, "-E", "UTF8", "--auth=trust", "--no-sync")
    try:
        primary.start()
        primary.execute(f"CREATE DATABASE {DATABASE}", "postgres")
        source = f"host=127.0.0.1 port={primary.port} user={USER} application_name=replica"
        replica.run(
            "pg_basebackup", "-d", source, "-D", str(replica.data), "-R", "-X", "stream", "-c", "fast", "--no-sync"
        )
        replica.start()
        until(lambda: bool(primary.execute("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'")))
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.execute("SELECT pg_reload_conf()")
        yield primary, replica
    finally:
        for server in (primary, replica):
            if server.process is not None:
                server.kill()


def _as_server() -> tuple[int | None, int | None]:
    """User and group for processes of a server; None: our own."""
    account = server_account()
    return (account.uid, account.gid) if account.changes else (None, None)


def until(holds: object, seconds: float = 60) -> None:
    assert callable(holds)
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)
