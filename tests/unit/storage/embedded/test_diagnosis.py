"""What the messages of PostgreSQL and of the system become."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ragstone.errors import DatabaseError, DatabaseUnsuitableError, DiskFullError
from ragstone.storage.embedded.diagnosis import KILLED, explain, meaningful_line, reported

LOG = """\
2026-01-01 00:00:00.000 UTC [7] @ LOG:  starting PostgreSQL 18.4
2026-01-01 00:00:00.001 UTC [9] @ ERROR:  something smaller
2026-01-01 00:00:00.001 UTC [9] @ PANIC:  could not open file "global/pg_control": No such file or directory
2026-01-01 00:00:00.002 UTC [7] @ LOG:  database system is shut down
"""


@pytest.mark.parametrize(
    ("messages", "line"),
    [
        (LOG, 'could not open file "global/pg_control": No such file or directory'),
        ("initdb: error: could not do it\ninitdb: removing contents", "could not do it"),
        ("Segmentation fault\n\n", "Segmentation fault"),
        ("2026-01-01 00:00:00.000 UTC [7] @ LOG:  redo is not required\n", KILLED),
        ("", KILLED),
    ],
)
def test_the_line_that_matters_is_found(messages: str, line: str) -> None:
    assert meaningful_line(messages) == line


@pytest.mark.parametrize(
    ("message", "kind", "remedy"),
    [
        ("FATAL:  could not write lock file: No space left on device", DiskFullError, "Free space"),
        ("FATAL:  could not extend file: Disk quota exceeded", DiskFullError, "Free space"),
        ('FATAL:  extension "vector" is not available', DatabaseUnsuitableError, "pgvector"),
        ("FATAL:  could not map anonymous shared memory: Cannot allocate memory", DatabaseError, "memory"),
        ("initdb: error: could not open directory: Permission denied", DatabaseError, "RAGSTONE_HOME"),
        ("FATAL:  something new", DatabaseError, "server.log"),
    ],
)
def test_each_cause_has_its_remedy(message: str, kind: type[DatabaseError], remedy: str) -> None:
    error = explain("It did not start", message, Path("server.log"))
    assert type(error) is kind
    assert remedy in error.remedy
    assert error.what == "It did not start"
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, DiskFullError),
        (errno.EDQUOT, DiskFullError),
        (errno.EROFS, DatabaseError),
        (errno.EACCES, DatabaseError),
    ],
)
def test_what_the_system_refuses_names_the_file(number: int, kind: type[DatabaseError]) -> None:
    with pytest.raises(kind) as caught, reported(Path("/home")):
        raise OSError(number, os.strerror(number), "/home/file")
    assert type(caught.value) is kind
    assert caught.value.why == f"{os.strerror(number)} (/home/file)"
