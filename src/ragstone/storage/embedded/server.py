"""The user side: hold an `EmbeddedServer` and there is a PostgreSQL."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from ragstone.errors import DatabaseError
from ragstone.storage.embedded.account import server_account
from ragstone.storage.embedded.cluster import ADMIN, APP, make_databases, read_password, server_arguments
from ragstone.storage.embedded.diagnosis import explain, reported
from ragstone.storage.embedded.folder import SOCKET_NAME, Folder
from ragstone.storage.embedded.launch import Launcher
from ragstone.storage.embedded.locks import PAUSE, LockFile, is_free
from ragstone.storage.embedded.program import find_program
from ragstone.storage.embedded.stale import clear, evict

SILENCE = 60.0  # seconds without a new line in its log after which a starting server counts as stuck
STOP_PATIENCE = 70.0  # seconds; a little more than the keeper's own
LEAST_SPACE = 2**16  # bytes
SOCKET_PATH_LIMIT = 107 if sys.platform == "linux" else 103  # bytes, sun_path without its closing zero


class EmbeddedServer:
    """A PostgreSQL that runs while somebody uses it.

    Every process that needs the database holds one of these: the first starts the server, the others join it, and it
    ends when the last has let go or died. Safe to use from several threads.
    """

    def __init__(self, home: Path, *, bindir: Path | None = None) -> None:
        """Prepare to use the server of a data folder; nothing is touched before `start`.

        Args:
            home: RAGSTONE_HOME; made if it does not exist. All the server has lies in `home/postgres`.
            bindir: Folder of an own PostgreSQL's programs; by default those of the installed wheel.
        """
        self._folder = Folder(Path(os.path.realpath(home)))
        self._bindir = bindir
        self._users = LockFile(self._folder.run / "users.lock")
        self._starting = LockFile(self._folder.run / "starting.lock")
        self._keeper = self._folder.run / "keeper.lock"
        self._mutex = threading.Lock()
        self._short_way: int | None = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    @property
    def log(self) -> Path:
        """Where the server's messages are."""
        return self._folder.log

    def start(self) -> None:
        """Join the running server or start one; called again, it brings a server back that has died.

        Raises:
            DiskFullError: No space for the databases.
            DatabaseUnsuitableError: The programs do not fit the data, or lack pgvector.
            DatabaseError: The server cannot be started; says why and what to do.
        """
        with self._mutex, reported(self._folder.home):
            joined_before = self._users.held
            try:
                self._folder.prepare(server_account())
                self._insist_connectable()
                patience = Patience(self.log)
                while not self._starting.take():
                    patience.spend("Another process is starting the embedded PostgreSQL and does not get on")
                while not self._join_or_launch():
                    patience.spend("The former embedded PostgreSQL does not end")
            except BaseException:
                if not joined_before:
                    self._let_go()
                raise
            finally:
                self._starting.release()

    def stop(self) -> None:
        """Let go; when nobody else uses the server, returns after its end. Safe when not started."""
        with self._mutex:
            if not self._users.held:
                return
            self._let_go()
            deadline = time.monotonic() + STOP_PATIENCE
            with contextlib.suppress(OSError):  # the folder may be gone, and then the server goes by itself
                while not is_free(self._keeper) and time.monotonic() < deadline:
                    if not is_free(self._users.path) and is_free(self._users.path, shared=True):
                        return  # others use it
                    time.sleep(PAUSE)

    def admin_dsn(self, database: str = "postgres") -> str:
        """How the superuser connects, as a libpq connection string; for migrations and maintenance.

        Raises:
            DatabaseError: The server was never started.
        """
        return self._dsn(ADMIN, database)

    def dsn(self, database: str) -> str:
        """How the service connects: a role that owns nothing and cannot bypass row-level security.

        Raises:
            DatabaseError: The server was never started.
        """
        return self._dsn(APP, database)

    def _dsn(self, role: str, database: str) -> str:
        with reported(self._folder.home):
            parts = {
                "host": self._host(),
                "hostaddr": "",  # else PGHOSTADDR of the environment would lead elsewhere
                "port": "5432",
                "user": role,
                "password": read_password(self._folder, role),
                "dbname": database,
            }
        quoted = {name: value.replace("\\", r"\\").replace("'", r"\'") for name, value in parts.items()}
        return " ".join(f"{name}='{value}'" for name, value in quoted.items())

    def _host(self) -> str:
        """The socket's folder; where its path is too long or would be misread, a short one by way of /proc.

        That one is valid as long as this object is not stopped.
        """
        path = str(self._folder.sockets)
        if fits_socket(path):
            return path
        if self._short_way is None:
            self._short_way = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        return f"/proc/{os.getpid()}/fd/{self._short_way}"

    def _insist_connectable(self) -> None:
        if not fits_socket(str(self._folder.sockets)) and not Path("/proc/self/fd").is_dir():
            raise DatabaseError(
                f"The embedded PostgreSQL cannot be used in {self._folder.home}",
                why=f"the path of its socket is longer than {SOCKET_PATH_LIMIT} bytes or has a comma",
                remedy="Set RAGSTONE_HOME to a folder with a shorter path",
            )

    def _let_go(self) -> None:
        self._users.release()
        if self._short_way is not None:
            os.close(self._short_way)
            self._short_way = None

    def _join_or_launch(self) -> bool:
        """One attempt to have a ready server; False if there is one that is just ending. We hold `starting`."""
        if not self._users.take(shared=True):
            return False
        if not is_free(self._keeper):
            return self._await_ready()
        self._launch()
        if not self._await_ready():
            raise self._failure()
        return True

    def _failure(self) -> DatabaseError:
        messages = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        if shutil.disk_usage(self._folder.home).free < LEAST_SPACE:  # too full for the log to say so
            messages += f"FATAL:  {os.strerror(errno.ENOSPC)}"
        return explain("The embedded PostgreSQL did not start", messages, self.log)

    def _launch(self) -> None:
        """Clear what a dead server left, make the databases if there are none, and start a keeper."""
        everything, keeper_lock = LockFile(self._folder.run / "server.lock"), LockFile(self._keeper)
        account = server_account()
        try:
            evict(self._folder, everything)
            self._folder.furnish(account)
            clear(self._folder)
            launcher = Launcher(self._folder, find_program(self._bindir, self._folder, account), account, everything)
            make_databases(launcher)
            if self.log.exists():
                self.log.replace(self.log.with_name("server.log.1"))
            keeper_lock.wait(SILENCE)  # others only look whether it is held
            launcher.keep(server_arguments(launcher, self._folder.data), self._users.path, keeper_lock)
        finally:
            everything.release()
            keeper_lock.release()

    def _await_ready(self) -> bool:
        """Wait for the server to answer; False when its keeper goes before."""
        patience = Patience(self.log)
        while not self._answers():
            if is_free(self._keeper):
                return False
            patience.spend("The embedded PostgreSQL does not become ready")
        return True

    def _answers(self) -> bool:
        """Whether the server accepts connections: it says so in its lock file, and somebody listens."""
        try:
            state = (self._folder.data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").split("\n")
        except FileNotFoundError:
            return False
        if "ready" not in (line.strip() for line in state[7:8]):
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(PAUSE)
            try:
                connection.connect(f"{self._host()}/{SOCKET_NAME}")
            except (ConnectionError, FileNotFoundError, TimeoutError, BlockingIOError):
                return False
        return True


class Patience:
    """Waits as long as the server's log shows that it gets on: recovery from a crash may take long and says so."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._size = -1
        self._deadline = 0.0

    def spend(self, what: str) -> None:
        """Wait a moment.

        Raises:
            DatabaseError: There was no news for too long.
        """
        size = self._log.stat().st_size if self._log.exists() else 0
        now = time.monotonic()
        if size != self._size:
            self._size, self._deadline = size, now + SILENCE
        if now > self._deadline:
            raise DatabaseError(
                what,
                why=f"its log has shown nothing new for {SILENCE:.0f} seconds",
                remedy=f"Try again; if it stays so look into {self._log}",
            )
        time.sleep(PAUSE)


def fits_socket(folder: str) -> bool:
    """Whether libpq can connect to a socket in this folder by its path."""
    try:
        length = len(f"{folder}/{SOCKET_NAME}".encode())
    except UnicodeEncodeError:  # not UTF-8, which connection strings are
        return False
    return length <= SOCKET_PATH_LIMIT and "," not in folder  # a comma separates hosts
