"""Turns what the operating system and PostgreSQL complain about into errors with a remedy."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ragstone.errors import DatabaseError, DatabaseUnsuitableError, DiskFullError
from ragstone.storage.embedded.keeper import NEEDS_NAMESPACE

FREE_SPACE = "Free space, or set RAGSTONE_HOME to a folder on a larger disk; nothing confirmed is lost"
CHOOSE_HOME = "Set RAGSTONE_HOME to a folder that you may write to, or run as the user it belongs to"
OPEN_HOME = (
    "As root the server runs as an unprivileged user, who cannot enter a folder above RAGSTONE_HOME: "
    "choose one that others may pass through, such as /var/lib/ragstone, or run as a normal user"
)

KILLED = "it ended without giving a reason, as one does who is killed, for instance for lack of memory"

# What a message of PostgreSQL means: words in it, the error, its remedy.
MEANINGS: tuple[tuple[str, type[DatabaseError], str], ...] = (
    ("No space left on device|Disk quota exceeded", DiskFullError, FREE_SPACE),
    (NEEDS_NAMESPACE, DatabaseError, OPEN_HOME),
    ("Read-only file system|Permission denied|Operation not permitted", DatabaseError, CHOOSE_HOME),
    (
        "could not map anonymous shared memory|Cannot allocate memory|out of memory",
        DatabaseError,
        "Give this machine or container more memory; the server needs about 400 MB",
    ),
    (
        'extension "vector" is not available|could not open extension control file',
        DatabaseUnsuitableError,
        "Install pgvector into that PostgreSQL, or use the one that is installed with Ragstone",
    ),
)


def meaningful_line(messages: str) -> str:
    """What PostgreSQL says it failed of: its last fatal message, else its last error, else a last line of others."""
    for severity in ("PANIC|FATAL", "ERROR|error"):
        found = re.findall(rf"(?:{severity}):\s+(.+)", messages)
        if found:
            return str(found[-1]).strip()
    lines = (line.strip() for line in reversed(messages.split("\n")))
    return next((line for line in lines if line and "LOG:  " not in line), KILLED)


def explain(what: str, messages: str, log: Path | None = None) -> DatabaseError:
    """The error that says what PostgreSQL's messages mean."""
    line = meaningful_line(messages)
    for words, kind, remedy in MEANINGS:
        if re.search(words, line):
            return kind(what, why=line, remedy=remedy)
    remedy = f"More is in {log}" if log else "Run `ragstone doctor`"
    return DatabaseError(what, why=line, remedy=remedy)


@contextmanager
def reported(home: Path) -> Iterator[None]:
    """Turn what the operating system refuses into an error about the data folder.

    Raises:
        DiskFullError: There is no space.
        DatabaseError: Something else is refused.
    """
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        why = f"{error.strerror or error}{where}"
        what = f"The embedded PostgreSQL cannot use {home}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(what, why=why, remedy=FREE_SPACE) from error
        raise DatabaseError(what, why=why, remedy=CHOOSE_HOME) from error
