"""All models behind one door."""

from __future__ import annotations

import asyncio
import time

from ragstone.models.pool.calls import Team
from ragstone.models.pool.chat import PoolChat
from ragstone.models.pool.check import check
from ragstone.models.pool.crew import Crew
from ragstone.models.pool.outside import Outside
from ragstone.models.pool.roster import Roster
from ragstone.models.pool.state import MemberCheck, MemberState
from ragstone.models.protocols.classifier import EndpointClassifier
from ragstone.models.protocols.embedder import EndpointEmbedder
from ragstone.models.protocols.reranker import EndpointReranker
from ragstone.ports import ChatModel, Classifier, Reranker
from ragstone.settings.models import Kind


class ModelPool:
    """The members of a roster, and what is known of them; belongs to one event loop.

    A request is tried on one member after the other until one answers: those of the lowest group first, and of a
    group the one with the least to do. What is known of a member, and how long it is left alone after a failure, is
    this process's own knowledge; replicas learn by themselves.
    """

    def __init__(self, roster: Roster, outside: Outside | None = None) -> None:
        """Nothing is connected yet."""
        self._roster = roster
        self._crew = Crew(roster, outside or Outside())
        self._chat = PoolChat(self._crew)
        self._teams: dict[tuple[Kind, str], Team] = {}

    @property
    def llm(self) -> ChatModel | None:
        """The models that chat; None as long as the roster has none."""
        return self._chat if self._crew.members(Kind.CHAT) else None

    @property
    def trouble(self) -> str | None:
        """What is wrong with the models file, while its former version is in use; None: nothing."""
        return self._roster.trouble

    def embedder(self, name: str) -> EndpointEmbedder:
        """What embeds, by the name of a member or of the model that several have.

        Raises:
            SettingsError: There is none.
        """
        return EndpointEmbedder(self._team(Kind.EMBEDDING, name))

    def reranker(self, name: str) -> Reranker:
        """What reranks, by the name of a member or of the model that several have.

        Raises:
            SettingsError: There is none, and never was.
        """
        return EndpointReranker(self._team(Kind.RERANK, name))

    def classifier(self, name: str) -> Classifier:
        """What classifies, by the name of a member or of the model that several have.

        Raises:
            SettingsError: There is none, and never was.
        """
        return EndpointClassifier(self._team(Kind.CLASSIFY, name))

    def state(self) -> tuple[MemberState, ...]:
        """Every member as it is now, in the order of the file."""
        now, wall = self._crew.outside.clock(), time.time()
        return tuple(member.state(now, wall) for member in self._crew.all())

    async def check(self) -> tuple[MemberCheck, ...]:
        """Ask every member one cheap thing, all at the same time and whatever is known of them."""
        return tuple(await asyncio.gather(*(check(member, self._crew.outside) for member in self._crew.all())))

    async def close(self) -> None:
        """End all connections."""
        await self._crew.close()

    def _team(self, kind: Kind, name: str) -> Team:
        team = self._teams.get((kind, name))
        if team is None:
            team = self._teams[kind, name] = Team(self._crew, kind, name)
        return team
