"""What lies where in the data folder, and whom it belongs to."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ragstone.errors import DatabaseError
from ragstone.storage.embedded.account import Account

SOCKET_NAME = ".s.PGSQL.5432"  # the port only names the socket; the server has no TCP
SOCKETS_AS_SEEN_FROM_DATA = "../socket"


@dataclass(frozen=True, slots=True)
class Folder:
    """The parts of RAGSTONE_HOME that belong to the embedded PostgreSQL.

    As root, `room` and `run` stay root's, and the unprivileged user of the server owns `data` and `sockets` alone,
    so that it can neither exchange files that root reads nor read the passwords.
    """

    home: Path

    @property
    def room(self) -> Path:
        """All that PostgreSQL sees."""
        return self.home / "postgres"

    @property
    def data(self) -> Path:
        """The databases; exists only complete."""
        return self.room / "data"

    @property
    def staging(self) -> Path:
        """The databases while they are being made."""
        return self.room / "data.new"

    @property
    def sockets(self) -> Path:
        """Where clients connect."""
        return self.room / "socket"

    @property
    def passwords(self) -> Path:
        """The passwords of the roles, readable by who made them."""
        return self.room / "passwords.json"

    @property
    def run(self) -> Path:
        """Locks and the log."""
        return self.home / "postgres-run"

    @property
    def log(self) -> Path:
        """The messages of the running server, or of the last one; `server.log.1` has the time before."""
        return self.run / "server.log"

    def prepare(self, account: Account) -> None:
        """Make the data folder and the folder of the locks.

        Raises:
            OSError: A folder cannot be made.
        """
        if not self.home.is_dir():
            self.home.mkdir(parents=True, exist_ok=True)
            # Others may pass through what root makes, else the server could not get to its data.
            self.home.chmod(0o711 if account.changes else 0o700)
        self.run.mkdir(mode=0o700, exist_ok=True)

    def furnish(self, account: Account) -> None:
        """Make what the server needs to run as `account`; the caller is the only one who starts it.

        Raises:
            DatabaseError: The databases belong to another user.
            OSError: A folder cannot be made.
        """
        if self.data.exists() and self.data.stat().st_uid != account.uid:
            raise DatabaseError(
                f"The databases in {self.data} cannot be used",
                why=f"they belong to user id {self.data.stat().st_uid}, and the server would run as {account.uid}",
                remedy="Run as the user who made them, or set RAGSTONE_HOME to another folder",
            )
        self.room.mkdir(exist_ok=True)
        self.room.chmod(0o711 if account.changes else 0o700)
        give_folder(self.sockets, account)


def give_folder(path: Path, account: Account) -> None:
    """Make a folder that is the account's alone.

    Raises:
        OSError: It cannot be made.
    """
    path.mkdir(mode=0o700, exist_ok=True)
    if path.stat().st_uid != account.uid:
        os.chown(path, account.uid, account.gid)


def write_file(path: Path, text: str, mode: int) -> None:
    """Replace a file in one step, durably; nothing is written when the text is already there.

    Raises:
        OSError: It cannot be written; the former file is still there.
    """
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)  # whatever the umask
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
