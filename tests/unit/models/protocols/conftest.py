"""A model server that behaves or not, and members that are at it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing

import pytest
from misbehaving import Misbehaving

from ragstone.domain import ChatRequest, Ended, Message, Piece, Role
from ragstone.models.faults import MemberError
from ragstone.models.protocols import Client, open_chat
from ragstone.settings.models import Model

QUESTION = ChatRequest((Message(Role.SYSTEM, "Be brief."), Message(Role.USER, "Where does the answer stand?")))
PATIENT = {"connect": 10.0, "first_token": 20.0, "between_tokens": 20.0, "total": 60.0}


class Talk:
    """What was heard of a member, whether it came to its end or not."""

    def __init__(self) -> None:
        self.text = ""
        self.reasoning = ""
        self.pieces = 0
        self.ended: Ended | None = None
        self.error: MemberError | None = None

    @property
    def end(self) -> Ended:
        assert self.ended, self.error
        return self.ended

    @property
    def fault(self) -> MemberError:
        assert self.error, "it came to its end"
        return self.error


Talking = Callable[..., Awaitable[Talk]]
Opening = Callable[[Model], Client]


def member(url: str, timeouts: Mapping[str, float] = PATIENT, **fields: object) -> Model:
    """A member; what its timeouts leave out is patient."""
    whole = {**PATIENT, **timeouts}
    return Model.model_validate({"name": "one", "url": url, "model": "m", "timeouts": whole, **fields})


async def settled(client: Client) -> None:
    """Once no connection waits for the last bytes of an answer."""
    connections = client._connections.values()
    for _ in range(1000):
        if not any(each.is_draining for each in connections):
            return
        await asyncio.sleep(0.005)
    raise AssertionError("an answer has no end")


async def talked(model: Model, request: ChatRequest, client: Client) -> Talk:
    """All that the member says."""
    talk = Talk()
    try:
        async with aclosing(open_chat(model, request, client)) as events:
            async for event in events:
                assert talk.ended is None, "something comes behind the end"
                if isinstance(event, Piece):
                    talk.text += event.text
                    talk.reasoning += event.reasoning
                    talk.pieces += 1
                else:
                    talk.ended = event
    except MemberError as error:
        talk.error = error
    return talk


@pytest.fixture
def server() -> Iterator[Misbehaving]:
    with Misbehaving() as running:
        yield running


@pytest.fixture
async def opened(anyio_backend: str) -> AsyncIterator[Opening]:
    """Opens clients, which are closed behind the test."""
    clients: list[Client] = []

    def open_one(model: Model) -> Client:
        clients.append(Client(model))
        return clients[-1]

    yield open_one
    for client in clients:
        await client.close()


@pytest.fixture
def talk(opened: Opening) -> Talking:
    """Talks once with a member, over connections of its own."""

    async def once(model: Model, request: ChatRequest = QUESTION) -> Talk:
        return await talked(model, request, opened(model))

    return once
