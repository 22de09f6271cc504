"""What agents do with the documents: search them, and read one.

The shapes are those of OpenAI's connectors: https://platform.openai.com/docs/mcp.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, Field

from ragstone.api.links import Links
from ragstone.bootstrap import House, Session
from ragstone.domain import AnswerOptions, Hit, Question, Rewriting, Store
from ragstone.errors import NotFoundError
from ragstone.flows.look import look
from ragstone.storage.contents.searchable import excerpt, searchable_stores

WINDOW = 100_000  # characters that are read at once; more would crowd out what a model knows of its task

_ID = re.compile(r"(?P<file>[^#]+)(?:#(?P<start>[0-9]{1,9}))?")


class Search(BaseModel):
    """What is searched for."""

    query: str = Field(description="A question or words, in any language.")


class Fetch(BaseModel):
    """What is read."""

    id: str = Field(description="An id that `search` found.")


class Found(BaseModel):
    """A document that a search found."""

    id: str = Field(description="For `fetch`.")
    title: str
    url: str = Field(description="Where people read the passage that was found.")
    text: str = Field(description="That passage.")


class FoundAll(BaseModel):
    """What a search found, best first."""

    results: list[Found]


class Fetched(BaseModel):
    """A document, or as much of it as is read at once."""

    id: str
    title: str
    text: str
    url: str
    metadata: dict[str, str | float | bool] = Field(
        description="Attributes of the document, where the text stands in it, and the id that the rest goes on with."
    )


@dataclass(frozen=True, slots=True)
class Desk:
    """Where an agent works: for whom, in which stores."""

    house: House
    session: Session
    links: Links
    names: tuple[str, ...] = ()  # of stores; none: all of the tenant

    async def search(self, asked: Search) -> FoundAll:
        """The documents with the best passages, each once.

        Raises:
            InvalidQuestionError: The query cannot be searched.
            StoreNotFoundError: There is no store of that name or id.
        """
        stores = await self._stores()
        if not stores:
            return FoundAll(results=[])
        # Whoever asks is a model itself, and has worded its question well.
        options, top_k = AnswerOptions(rewriting=Rewriting.NONE), self.house.settings.search_top_k
        question = Question(asked.query, tuple(stores), top_k=top_k, options=options)
        found = await look((question,), self.house.kit(self.session))
        shown: dict[str, Found] = {}
        for hit in found.hits:
            result = self._found(hit)
            shown.setdefault(result.id, result)
        return FoundAll(results=list(shown.values()))

    async def fetch(self, asked: Fetch) -> Fetched:
        """The text of a document.

        Raises:
            NotFoundError: There is none of that id that the asker may read.
            StoreNotFoundError: There is no store of that name or id.
        """
        named = _ID.fullmatch(asked.id)
        if named is None:
            raise NotFoundError(f"There is no document {asked.id}", remedy="`search` finds documents and their ids")
        file, start = named["file"], int(named["start"] or 0)
        read = await excerpt(self.session.database, self.session.asker, await self._stores(), file, start, WINDOW)
        end = start + len(read.text)
        place: dict[str, str | float | bool] = {"start": start, "end": end, "characters": read.characters}
        if end < read.characters:
            place["next"] = f"{file}#{end}"
        return Fetched(
            id=asked.id,
            title=read.title or read.filename,
            text=read.text,
            url=self.links.place(file, start, end),
            metadata={**read.attributes, "filename": read.filename, **place},
        )

    async def _stores(self) -> Sequence[Store]:
        if self.names:
            found = [await self.session.index.store(name) for name in self.names]
            return list({store.id: store for store in found}.values())
        return await searchable_stores(self.session.database, self.session.asker, self.house.embedder.model)

    def _found(self, hit: Hit) -> Found:
        passage = hit.passage
        return Found(
            id=_window_of(hit),
            title=": ".join((passage.filename, *passage.heading[-1:])),
            url=self.links.place(passage.file_id, passage.start, passage.end),
            text=passage.text,
        )


def _window_of(hit: Hit) -> str:
    """The id under which the passage is read; of a long document, with where to begin."""
    passage = hit.passage
    if passage.end <= WINDOW:
        return passage.file_id
    return f"{passage.file_id}#{(2 * passage.start // WINDOW) * WINDOW // 2}"
