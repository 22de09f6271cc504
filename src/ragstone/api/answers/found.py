"""Passages, and what rests on them."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import BaseModel, Field

from ragstone.api.answers.additions import Absent

AttributeValue: TypeAlias = str | float | bool


class Place(BaseModel):
    """Where a passage stands."""

    file_id: str
    filename: str
    chunk_id: str
    page: int | None = Field(description="Counted from 1; null in a file without pages.")
    heading: list[str] = Field(description="Titles above it, outermost first.")


class Scores(BaseModel):
    """One score a stage."""

    dense: float = Field(description="Cosine similarity.")
    lexical: float = Field(description="BM25.")
    fused: float = Field(description="From 0 to 1.")
    rerank: Absent[float] = Field(default=None, description="From 0 to 1; absent where no reranker was asked.")


class Text(BaseModel):
    """A piece of text."""

    type: Literal["text"]
    text: str


class FoundPassage(Place):
    """A passage that was found."""

    start: int = Field(description="Offset of its first character in the stored text.")
    end: int = Field(description="Offset behind its last character.")
    score: float = Field(description="From 0 to 1.")
    scores: Scores
    attributes: dict[str, AttributeValue]


class SearchHit(FoundPassage):
    """A hit of a search."""

    content: list[Text]


class SearchPage(BaseModel):
    """The hits of a search, the best first."""

    object: Literal["vector_store.search_results.page"]
    search_query: list[str]
    data: list[SearchHit]
    has_more: bool
    next_page: str | None
    timings_ms: dict[str, float]


class Cited(Place):
    """What a sentence of an answer rests on, word for word."""

    quote: str
    start_index: int = Field(description="Offset of the quote in the stored text.")
    end_index: int
    score: float
    verified: bool = Field(description="Whether the quote stands in the document, letter for letter.")
