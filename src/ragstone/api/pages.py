"""Pages of lists, as all list routes take and give them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Generic, Literal, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from ragstone.storage.pages import Excerpt, Page

T = TypeVar("T")
Shape = TypeVar("Shape", bound="Listed")

Order = Annotated[Literal["asc", "desc"], Query(description="By the time of creation.")]
After = Annotated[str | None, Query(description="Id of the object behind which the page begins.")]
Before = Annotated[str | None, Query(description="Id of the object before which the page ends.")]


def _excerpt(
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Order = "desc",
    after: After = None,
    before: Before = None,
) -> Excerpt:
    return Excerpt(limit, order == "desc", after, before)


def _long_excerpt(
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
    order: Order = "desc",
    after: After = None,
    before: Before = None,
) -> Excerpt:
    return Excerpt(limit, order == "desc", after, before)


Paged = Annotated[Excerpt, Depends(_excerpt)]
LongPaged = Annotated[Excerpt, Depends(_long_excerpt)]


class Listed(BaseModel):
    """An object with an id."""

    id: str


class ListPage(BaseModel, Generic[Shape]):
    """A page of a list."""

    object: Literal["list"] = "list"
    data: list[Shape]
    first_id: str | None = Field(description="Null when the page is empty.")
    last_id: str | None = Field(description="What `after` of the next page is. Null when the page is empty.")
    has_more: bool


def list_page(page: Page[T], shape: Callable[[T], Shape]) -> ListPage[Shape]:
    """A page of rows in the shape of their answers."""
    data = [shape(item) for item in page.items]
    return ListPage(
        data=data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
        has_more=page.has_more,
    )
