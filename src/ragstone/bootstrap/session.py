"""What one asker can reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ragstone.domain import Asker

if TYPE_CHECKING:
    from ragstone.ports import AnswerCache, Objects
    from ragstone.storage.answers.kept import PostgresAnswers
    from ragstone.storage.catalog.batches import PostgresBatches
    from ragstone.storage.catalog.documents import PostgresDocuments
    from ragstone.storage.catalog.files import PostgresFiles
    from ragstone.storage.catalog.store_catalog import PostgresStores
    from ragstone.storage.contents.index import PostgresIndex
    from ragstone.storage.contents.library import PostgresLibrary
    from ragstone.storage.database import Database


@dataclass(frozen=True)
class Session:
    """What one asker can reach: each part acts on its behalf."""

    database: Database
    asker: Asker
    bucket: Objects | None = None  # for uploaded files; None: they lie in the database

    @cached_property
    def places(self) -> Mapping[str, Objects]:
        """Where the bytes of uploaded files lie, by the names that their rows have for it."""
        from ragstone.storage.objects.parts import PartsObjects

        parts = PartsObjects(self.database, self.asker)
        return {"database": parts} if self.bucket is None else {"database": parts, "bucket": self.bucket}

    @cached_property
    def library(self) -> PostgresLibrary:
        """The writing side."""
        from ragstone.storage.contents.library import PostgresLibrary

        return PostgresLibrary(self.database, self.asker)

    @cached_property
    def index(self) -> PostgresIndex:
        """The reading side."""
        from ragstone.storage.contents.index import PostgresIndex

        return PostgresIndex(self.database, self.asker)

    @cached_property
    def answers(self) -> PostgresAnswers:
        """Answers that are kept."""
        from ragstone.storage.answers.kept import PostgresAnswers

        return PostgresAnswers(self.database, self.asker)

    def remembered(self, hours: float, similarity: float | None) -> AnswerCache:
        """Answers that were given before, kept for so many hours; from this cosine on, questions may be the same."""
        from ragstone.storage.answers.remembered import PostgresAnswerCache

        return PostgresAnswerCache(self.database, self.asker, hours=hours, similarity=similarity)

    @cached_property
    def files(self) -> PostgresFiles:
        """Uploaded files."""
        from ragstone.storage.catalog.files import PostgresFiles

        return PostgresFiles(self.database, self.asker, self.places)

    @cached_property
    def stores(self) -> PostgresStores:
        """Stores as they are made, listed and deleted."""
        from ragstone.storage.catalog.store_catalog import PostgresStores

        return PostgresStores(self.database, self.asker)

    @cached_property
    def documents(self) -> PostgresDocuments:
        """Files in stores."""
        from ragstone.storage.catalog.documents import PostgresDocuments

        return PostgresDocuments(self.database, self.asker)

    @cached_property
    def batches(self) -> PostgresBatches:
        """Files that are attached to a store together."""
        from ragstone.storage.catalog.batches import PostgresBatches

        return PostgresBatches(self.database, self.asker)
