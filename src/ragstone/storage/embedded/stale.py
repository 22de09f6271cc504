"""What a server that died left behind: processes, lock files, an unfinished folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ragstone.errors import DatabaseError
from ragstone.storage.embedded.folder import Folder
from ragstone.storage.embedded.locks import LockFile

PROCESSES = Path("/proc")
NAMES = ("postgres", "initdb")

# Left alone at first: a server whose keeper died shuts down by itself. Then the two hard endings.
ENDINGS = ((None, 5.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 10.0))


def evict(folder: Folder, everything: LockFile) -> None:
    """Take the lock that every process of a server inherits, ending those that have lost their keeper.

    Raises:
        DatabaseError: They do not end.
    """
    for ending, patience in ENDINGS:
        if ending is not None:
            for process in server_processes(folder):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, ending)
        if everything.wait(patience):
            return
    raise DatabaseError(
        f"An earlier PostgreSQL of {folder.home} does not end",
        why=f"its processes hold {everything.path}",
        remedy=f"End them: {', '.join(map(str, server_processes(folder))) or f'fuser {everything.path}'}",
    )


def clear(folder: Folder) -> None:
    """Remove the leftovers; the caller holds the lock of `evict`, so none of our servers is alive.

    PostgreSQL itself would take any living process with the number in its lock file for a server.

    Raises:
        DatabaseError: A PostgreSQL that we did not start uses the folder.
        OSError: Something cannot be removed.
    """
    foreign = list(server_processes(folder))
    if foreign:
        raise DatabaseError(
            f"The databases in {folder.data} are in use",
            why=f"by a PostgreSQL that was started by hand (process {foreign[0]})",
            remedy="End it first",
        )
    (folder.data / "postmaster.pid").unlink(missing_ok=True)
    for leftover in folder.sockets.glob(".s.PGSQL.*"):
        leftover.unlink()
    if folder.staging.exists():
        shutil.rmtree(folder.staging)


def server_processes(folder: Folder) -> Iterator[int]:
    """The living PostgreSQL processes that work in the folder, whoever started them."""
    if not (PROCESSES / "self" / "cwd").exists():
        yield from _from_lock_file(folder)
        return
    places = {(status.st_dev, status.st_ino) for status in _existing(folder.data, folder.staging)}
    for entry in PROCESSES.iterdir():
        # A process may end while it is looked at, and those of others may not be looked at.
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and (entry / "comm").read_text().strip() in NAMES:
                status = (entry / "cwd").stat()
                if (status.st_dev, status.st_ino) in places:
                    yield int(entry.name)


def _existing(*paths: Path) -> Iterator[os.stat_result]:
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            yield path.stat()


def _from_lock_file(folder: Folder) -> Iterator[int]:
    """Without /proc: the process that PostgreSQL's lock file names, if it is a PostgreSQL."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        process = int((folder.data / "postmaster.pid").read_text().split("\n")[0])
        name = subprocess.run(  # noqa: S603
            ["/bin/ps", "-o", "comm=", "-p", str(process)], capture_output=True, text=True, check=False
        ).stdout
        if Path(name.strip()).name in NAMES:
            yield process
