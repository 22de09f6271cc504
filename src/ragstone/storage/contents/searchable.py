"""What can be searched without naming a store, and read without naming one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.rows import dict_row

from ragstone.domain import Asker, Attributes, EmbeddingModel, Store
from ragstone.errors import NotFoundError
from ragstone.storage.database import Database, scope
from ragstone.storage.statements import statement


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A stretch of a document's stored text."""

    filename: str
    title: str  # may be empty
    attributes: Attributes
    text: str
    characters: int  # of the whole document


async def searchable_stores(database: Database, asker: Asker, model: EmbeddingModel) -> list[Store]:
    """The stores of the asker's tenant that are searched with this model, the oldest first."""
    async with database.transaction(asker) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(statement("answers", "searchable_stores"), {**scope(asker), "model_name": model.name})
        return [Store(**row, model=model) for row in await cursor.fetchall()]


async def excerpt(
    database: Database, asker: Asker, stores: Sequence[Store], file_id: str, start: int, length: int
) -> Excerpt:
    """`text[start:start + length]` of a document that is in one of these stores.

    Raises:
        NotFoundError: There is none that the asker may read.
    """
    async with database.transaction(asker) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(
            statement("answers", "excerpt"),
            {
                **scope(asker),
                "stores": [store.id for store in stores],
                "file": "" if "\0" in file_id else file_id,
                "start": start,
                "length": length,
            },
        )
        row = await cursor.fetchone()
    if row is None:
        raise NotFoundError(f"There is no document {file_id}", remedy="`search` finds documents and their ids")
    return Excerpt(**row)
