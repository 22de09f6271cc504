"""What the embedder, the reranker and the classifier need of the pool."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from ragstone.domain import Usage
from ragstone.models.protocols.client import Client
from ragstone.settings.models import Model

T = TypeVar("T")


class Members(Protocol):
    """Members of one kind that stand in for each other: the same model at one or several servers."""

    @property
    def model(self) -> Model:
        """One of them; what describes the model is the same at all."""
        ...

    async def call(self, ask: Callable[[Model, Client], Awaitable[tuple[T, Usage]]], tokens: int) -> T:
        """What `ask` returns for the first member that answers; `tokens` is about what it will read.

        Raises:
            ModelUnavailableError: No member can be asked.
            PromptTooLongError: It fits into no member's window.
            PromptRefusedError: A server does not take the request as it is.
        """
        ...
