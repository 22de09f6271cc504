"""One call to whichever member answers: embedding, reranking, classifying."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from ragstone.domain import Usage
from ragstone.errors import SettingsError
from ragstone.models.faults import MemberError
from ragstone.models.pool.attempt import Attempt
from ragstone.models.pool.crew import Crew
from ragstone.models.pool.member import Member
from ragstone.models.pool.trial import Trial
from ragstone.models.protocols import Client
from ragstone.settings.models import Kind, Model

T = TypeVar("T")


class Team:
    """Members of one kind that stand in for each other; implements `protocols.members.Members`.

    They are named by the name of one of them, or by the model's name at the servers that have it. Vectors of different
    length or of other prefixes are not of the same model, whatever it is called.
    """

    def __init__(self, crew: Crew, kind: Kind, name: str) -> None:
        """Nobody is asked yet.

        Raises:
            SettingsError: The roster has none of this kind and name.
        """
        self._crew = crew
        self._kind = kind
        self._name = name
        found = self._named()
        if not found:
            known = ", ".join(member.model.name for member in crew.members(kind)) or "none"
            raise SettingsError(
                f"The models file has no {kind} model {name}",
                why=f"it has {known}",
                remedy="Name one of its members there, or the model that several of them share",
            )
        self._model = found[0].model

    @property
    def model(self) -> Model:
        """One of them; what describes the model is the same at all."""
        return self._model

    async def call(self, ask: Callable[[Model, Client], Awaitable[tuple[T, Usage]]], tokens: int) -> T:
        """What `ask` returns for the first member that answers; `tokens` is about what it will read.

        Raises:
            ModelUnavailableError: No member can be asked.
            PromptTooLongError: It fits into no member's window.
            PromptRefusedError: A server does not take the request as it is.
        """
        await self._crew.bury()
        trial = Trial(self._crew, self._members, tokens)
        while True:
            attempt = await trial.next()
            try:
                value, usage = await ask(attempt.member.model, attempt.member.client())
            except MemberError as error:
                trial.failed(attempt, error)
            else:
                trial.answered(attempt)
                attempt.end(usage, self._crew.outside.clock())
                return value
            finally:
                self._give_up(attempt, tokens)

    def _give_up(self, attempt: Attempt, tokens: int) -> None:
        """Count what was read for somebody who has left; without effect when the attempt is over."""
        if attempt.open:
            attempt.give_up(Usage(input_tokens=tokens, calls=1), self._crew.outside.clock())

    def _members(self) -> Sequence[Member]:
        return [member for member in self._named() if _described(member.model) == _described(self._model)]

    def _named(self) -> Sequence[Member]:
        members = self._crew.members(self._kind)
        by_name = [member for member in members if member.model.name == self._name]
        return by_name or [member for member in members if member.model.model == self._name]


def _described(model: Model) -> tuple[object, ...]:
    """What makes two members' answers comparable."""
    return model.dimension, model.query_prefix, model.passage_prefix
