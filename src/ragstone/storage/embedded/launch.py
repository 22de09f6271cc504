"""Starts PostgreSQL programs through the keeper: as the right user, with a clean environment, seeing their folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ragstone.errors import DatabaseError
from ragstone.storage.embedded import keeper
from ragstone.storage.embedded.account import Account
from ragstone.storage.embedded.diagnosis import explain
from ragstone.storage.embedded.folder import Folder
from ragstone.storage.embedded.locks import LockFile
from ragstone.storage.embedded.program import Program

# Folders that exist on most systems and that nobody misses where a process sees ours instead.
MOUNT_POINTS = ("/mnt", "/media", "/srv", "/opt", "/home")
# What a program may need to run at all; the rest, such as keys of other services, is none of its business.
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "NSS_WRAPPER_PASSWD", "NSS_WRAPPER_GROUP")


@dataclass(frozen=True, slots=True)
class Launcher:
    """Runs the programs of one data folder."""

    folder: Folder
    program: Program
    account: Account
    everything: LockFile  # every process started here inherits it

    def seen(self, path: Path) -> Path:
        """A path as the programs see it."""
        point = self._mount_point()
        if point is not None and path.is_relative_to(self.folder.room):
            return point / path.relative_to(self.folder.room)
        return path

    def run(self, name: str, arguments: Sequence[str | Path], *, cwd: Path, text: str = "") -> None:
        """Run a program to its end, with `text` as its input.

        Raises:
            DatabaseError: It failed.
        """
        job = self._job(name, arguments, cwd)
        result = subprocess.run(  # noqa: S603
            self._command("run"),
            input=f"{json.dumps(job)}\n{text}",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            pass_fds=[self.everything.descriptor],
        )
        if result.returncode != 0:
            raise explain("The database folder cannot be made", result.stdout)

    def keep(self, arguments: Sequence[str | Path], users: Path, keeper_lock: LockFile) -> None:
        """Start the server under a keeper, which inherits the keeper's lock; returns before the server is ready.

        Raises:
            DatabaseError: The keeper does not start.
        """
        job = self._job("postgres", arguments, self.folder.data)
        job |= {"users": str(users), "log": str(self.folder.log), "private": [keeper_lock.descriptor]}
        result = subprocess.run(  # noqa: S603
            self._command("keep"),
            cwd="/",
            input=json.dumps(job).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            start_new_session=True,  # Ctrl-C in our terminal is not for the server, which others may use
            pass_fds=[self.everything.descriptor, keeper_lock.descriptor],
        )
        if result.returncode != 0:
            raise DatabaseError(
                "The keeper of the embedded PostgreSQL does not start",
                why=f"{sys.executable} ended with {result.returncode}",
                remedy="Run `ragstone doctor`",
            )

    def _command(self, mode: str) -> list[str]:
        return [sys.executable, "-I", "-S", keeper.__file__, mode, str(self.folder.room)]

    def _job(self, name: str, arguments: Sequence[str | Path], cwd: Path) -> keeper.Job:
        point = self._mount_point()
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        return {
            "argv": [str(self.seen(self.program.path(name))), *map(str, arguments)],
            "cwd": str(self.seen(cwd)),
            "env": environment | {"LC_ALL": "C", "HOME": str(self.seen(self.folder.room)), "TZ": "UTC"},
            "user": [self.account.uid, self.account.gid] if self.account.changes else None,
            "mount": [str(self.folder.room), str(point)] if point else None,
            "users": "",
            "log": "",
            "private": [],
            "parent": os.getpid(),
        }

    def _mount_point(self) -> Path | None:
        """Where the programs see the room if they cannot get to it; None if they can."""
        if not self.account.changes or self.account.may_enter(self.folder.room):
            return None
        for name in MOUNT_POINTS:
            point = Path(name)
            hidden = self.program.bindir.is_relative_to(point) and not self.program.bindir.is_relative_to(
                self.folder.room
            )
            if point.is_dir() and not point.is_symlink() and not hidden and self.account.may_enter(point):
                return point
        raise DatabaseError(
            f"The embedded PostgreSQL cannot get to {self.folder.room}",
            why="as root the server runs as an unprivileged user, who cannot enter a folder above it",
            remedy="Set RAGSTONE_HOME to a folder that others may pass through, such as /var/lib/ragstone",
        )
