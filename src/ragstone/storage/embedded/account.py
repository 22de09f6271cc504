"""Who the server runs as, and what that user may reach."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from ragstone.errors import DatabaseError

UNPRIVILEGED = "nobody"  # exists on every Linux and macOS, so none has to be created


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the operating system."""

    uid: int
    gid: int
    changes: bool = False  # whether the server has to become this user because we are another one

    def may_enter(self, folder: Path) -> bool:
        """Whether this user can get to the folder and into it: it and all above it let him through."""
        real = folder.resolve()
        return all(self._may(stat.S_IXUSR, each) for each in (real, *real.parents))

    def may_read(self, file: Path, *, run: bool = False) -> bool:
        """Whether this user can read a file, and run it, where it is."""
        return (
            self.may_enter(file.parent) and self._may(stat.S_IRUSR, file) and (not run or self._may(stat.S_IXUSR, file))
        )

    def _may(self, owner_bit: int, path: Path) -> bool:
        if self.uid == 0:
            return True
        status = path.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & owner_bit)
        return bool(status.st_mode & (owner_bit >> 3 if status.st_gid == self.gid else owner_bit >> 6))


def server_account() -> Account:
    """The user that runs the server: we ourselves, or an existing unprivileged one where we are root.

    Raises:
        DatabaseError: PostgreSQL cannot run as the present user.
    """
    uid = os.geteuid()
    if uid == 0:
        try:
            entry = pwd.getpwnam(UNPRIVILEGED)
        except KeyError:
            raise DatabaseError(
                "The embedded PostgreSQL cannot be started by root here",
                why=f"PostgreSQL refuses to run as root, and this system has no user '{UNPRIVILEGED}' to run it",
                remedy=f"Run as a normal user, or add a user '{UNPRIVILEGED}', or set RAGSTONE_DATABASE_URL",
            ) from None
        return Account(entry.pw_uid, entry.pw_gid, changes=True)
    try:
        pwd.getpwuid(uid)
    except KeyError:
        raise DatabaseError(
            f"The embedded PostgreSQL cannot be started by user id {uid}",
            why="this id has no entry in /etc/passwd, which PostgreSQL demands",
            remedy="Add an entry (in a container image: useradd), or preload nss_wrapper with one, "
            "or set RAGSTONE_DATABASE_URL to a PostgreSQL that runs elsewhere",
        ) from None
    return Account(uid, os.getegid())
