"""Asks each member one cheap thing, whatever is known of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from ragstone.domain import ChatRequest, Ended, Message, Role, Usage
from ragstone.errors import RagstoneError
from ragstone.models.faults import Fault, MemberError
from ragstone.models.pool.member import Member
from ragstone.models.pool.outside import Outside
from ragstone.models.pool.state import MemberCheck
from ragstone.models.protocols import Client
from ragstone.models.protocols.classifier import EndpointClassifier
from ragstone.models.protocols.embedder import EndpointEmbedder
from ragstone.models.protocols.reranker import EndpointReranker
from ragstone.settings.models import Kind, Model

T = TypeVar("T")

_WORD = "ok"
_REQUEST = ChatRequest((Message(Role.USER, "Say ok."),), max_tokens=16, seconds=30)


async def check(member: Member, outside: Outside) -> MemberCheck:
    """Whether it answers; nothing that is known of it changes."""
    begun = outside.clock()
    error = None
    try:
        await _ask(member, outside)
    except RagstoneError as trouble:
        error = str(trouble)
    return MemberCheck(member.model.name, member.model.kind, outside.clock() - begun, error)


async def _ask(member: Member, outside: Outside) -> None:
    alone = _Alone(member)
    match member.model.kind:
        case Kind.CHAT:
            await _chat(member, outside)
        case Kind.EMBEDDING:
            await EndpointEmbedder(alone).embed_queries([_WORD])
        case Kind.RERANK:
            await EndpointReranker(alone).rerank(_WORD, [_WORD])
        case Kind.CLASSIFY:
            await EndpointClassifier(alone).classify([_WORD])


async def _chat(member: Member, outside: Outside) -> None:
    async with aclosing(outside.speak(member.model, _REQUEST, member.client())) as events:
        async for event in events:
            if isinstance(event, Ended):
                return
    raise MemberError(f"The model {member.model.name} broke off", fault=Fault.CUT)


class _Alone:
    """One member for which no other stands in; implements `protocols.members.Members`."""

    def __init__(self, member: Member) -> None:
        self._member = member

    @property
    def model(self) -> Model:
        return self._member.model

    async def call(self, ask: Callable[[Model, Client], Awaitable[tuple[T, Usage]]], tokens: int) -> T:  # noqa: ARG002 - nothing is reserved
        value, _ = await ask(self._member.model, self._member.client())
        return value
