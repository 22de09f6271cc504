"""What became of the files of an ingestion."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ragstone.errors import RagstoneError


@dataclass(slots=True)
class Report:
    """Counts that grow while an ingestion runs; a count means that the database has confirmed it."""

    files: int = 0  # to look at
    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    removed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)  # of a kind that is not read, by extension
    chunks: int = 0  # embedded and on their way into the database
    failed: list[tuple[str, RagstoneError]] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)  # file, what was left out of it

    @property
    def done(self) -> int:
        """Files that are finished, one way or another."""
        return self.added + self.replaced + self.unchanged + len(self.failed)
