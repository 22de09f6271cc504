"""Everything that can go wrong and be said: what happened, why, and what to do next.

Knows neither HTTP nor exit codes; the edges translate the classes.
"""

from __future__ import annotations


class RagstoneError(Exception):
    """An error with its remedy."""

    def __init__(self, what: str, *, why: str = "", remedy: str = "") -> None:
        """Say what happened, and where they are known why and what to do next."""
        super().__init__(what)
        self.what = what
        self.why = why
        self.remedy = remedy

    def __str__(self) -> str:
        """One line: what, why, remedy."""
        line = f"{self.what}: {self.why}" if self.why else self.what
        return f"{line}. {self.remedy}" if self.remedy else line

    def __reduce__(self) -> tuple[object, ...]:
        """Readers run in a process of their own, so errors travel between processes."""
        return _revive, (type(self), self.what, self.why, self.remedy)


def _revive(kind: type[RagstoneError], what: str, why: str, remedy: str) -> RagstoneError:
    return kind(what, why=why, remedy=remedy)


class SettingsError(RagstoneError):
    """A setting is unknown or its value does not fit."""


class UnreadableFileError(RagstoneError):
    """A file cannot be turned into text; the others go on."""


class FileSkippedError(UnreadableFileError):
    """A file of a kind that is not read at all, such as a picture."""


class StoreNotFoundError(RagstoneError):
    """No store of that name or id in this tenant."""


class DatabaseError(RagstoneError):
    """The database cannot do what is asked of it."""


class DatabaseUnavailableError(DatabaseError):
    """The database cannot be reached, refuses, or went away."""


class DatabaseUnsuitableError(DatabaseError):
    """The server or its extension is too old, or a privilege is missing."""


class DiskFullError(DatabaseError):
    """No space left for what has to be written."""


class ModelError(RagstoneError):
    """The embedding model is missing or not the expected one."""


class InvalidQuestionError(RagstoneError):
    """The question cannot be searched: empty, too long, or its filter is malformed."""
