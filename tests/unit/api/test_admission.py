"""Requests at the gate: their classes, their waiting, their refusals, and clients that go away."""

from __future__ import annotations

import asyncio
import json

import pytest
from starlette.types import Message, Receive, Scope, Send

from ragstone.api.door.admission import Admission
from ragstone.api.door.gate import Gate
from ragstone.api.door.sizes import SizeLimit
from ragstone.domain import Priority

pytestmark = pytest.mark.anyio


class Client:
    """One request without a server; its messages are sent one by one."""

    def __init__(self, path: str = "/v1/search", priority: str | None = None, best: Priority | None = None) -> None:
        headers = [] if priority is None else [(b"x-ragstone-priority", priority.encode())]
        state = {} if best is None else {"priority": best}
        self.scope: Scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "state": state}
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._said: list[Message] = []
        self.received = 0

    def sends(self, body: bytes, *, more: bool) -> None:
        self._messages.put_nowait({"type": "http.request", "body": body, "more_body": more})

    def leaves(self) -> None:
        self._messages.put_nowait({"type": "http.disconnect"})

    async def receive(self) -> Message:
        message = await self._messages.get()
        self.received += 1
        return message

    async def send(self, message: Message) -> None:
        self._said.append(message)

    @property
    def status(self) -> int | None:
        status: int | None = self._said[0]["status"] if self._said else None
        return status

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self._said[0]["headers"]}

    @property
    def error(self) -> dict[str, object]:
        error: dict[str, object] = json.loads(self._said[1]["body"])["error"]
        return error


class Service:
    """An application behind a gate, whose requests run until they may end."""

    def __init__(self, slots: int = 1, queue: int = 10, patience: float = 60.0) -> None:
        self.gate = Gate(slots, queue=queue, patience=patience)
        self.admission = Admission(self._app, self.gate)
        self.may_end = asyncio.Event()
        self.bodies: list[list[bytes]] = []
        self.began: list[Client] = []

    async def _app(self, scope: Scope, receive: Receive, _: Send) -> None:
        self.began.append(scope["client"])
        body = []
        while (message := await receive())["type"] == "http.request":
            body.append(message["body"])
            if not message["more_body"]:
                break
        self.bodies.append(body)
        await self.may_end.wait()

    async def start(self, client: Client) -> asyncio.Task[None]:
        """The request has run, waits or has been answered when this returns."""
        client.scope["client"] = client
        task = asyncio.create_task(self.admission(client.scope, client.receive, client.send))
        await settle()
        return task


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_the_header_names_the_class_and_the_key_bounds_it() -> None:
    service = Service()
    running = await service.start(Client())
    for priority, best, expected in [
        (None, None, Priority.INTERACTIVE),
        ("interactive", None, Priority.INTERACTIVE),
        ("Batch", None, Priority.BATCH),
        ("evaluation", Priority.INTERACTIVE, Priority.EVALUATION),
        ("interactive", Priority.BATCH, Priority.BATCH),
        (None, Priority.EVALUATION, Priority.EVALUATION),
    ]:
        waiting = await service.start(Client(priority=priority, best=best))
        assert [cls for cls, count in service.gate.waiting.items() if count] == [expected]
        waiting.cancel()
        await settle()
    assert not any(service.gate.waiting.values())
    running.cancel()


async def test_an_unknown_class_is_a_bad_request() -> None:
    for priority in ("urgent", "", "0"):
        client = Client(priority=priority)
        await Service().start(client)
        assert client.status == 400
        assert client.error["param"] == "x-ragstone-priority"
        assert client.error["message"] == "x-ragstone-priority is one of interactive, batch, evaluation"


async def test_the_better_class_goes_first_and_the_earlier_one_within_it() -> None:
    service = Service(slots=1)
    tasks = [await service.start(Client())]
    classes = ["evaluation", "batch", "interactive", "evaluation", "batch", "interactive"]
    clients = [Client(priority=priority) for priority in classes]
    tasks += [await service.start(client) for client in clients]
    service.may_end.set()
    for client in (*service.began, *clients):
        client.sends(b"", more=False)
    await asyncio.gather(*tasks)
    assert [clients.index(client) for client in service.began[1:]] == [2, 5, 1, 4, 0, 3]


async def test_health_is_told_however_full_the_gate_is() -> None:
    service = Service(slots=1, queue=0)
    await service.start(Client())
    for path in ("/livez", "/readyz", "/startupz", "/metrics"):
        asked = Client(path)
        await service.start(asked)
        assert service.began[-1] is asked
    assert service.gate.running == 1


async def test_whoever_finds_no_place_hears_when_to_come_back() -> None:
    service = Service(slots=1, queue=1)
    await service.start(Client())
    await service.start(Client())
    refused = Client()
    await service.start(refused)
    assert refused.status == 503
    assert refused.headers["retry-after"] == "2"
    assert refused.error == {
        "message": "The service is at its limit: 1 requests run and 1 wait. Try again in 2 s",
        "type": "server_error",
        "param": None,
        "code": "overloaded",
    }
    assert service.gate.refused[Priority.INTERACTIVE] == 1


async def test_whoever_waits_too_long_is_refused() -> None:
    service = Service(patience=0.01)
    await service.start(Client())
    waiting = Client()
    await (await service.start(waiting))
    assert waiting.status == 503
    assert service.gate.waiting[Priority.INTERACTIVE] == 0


async def test_a_displaced_request_is_refused() -> None:
    service = Service(queue=1)
    await service.start(Client())
    evaluation = Client(priority="evaluation")
    await service.start(evaluation)
    assert evaluation.status is None
    await service.start(Client(priority="batch"))
    assert evaluation.status == 503


async def test_what_came_of_a_body_while_it_waited_is_not_lost() -> None:
    service = Service()
    first = Client()
    running = await service.start(first)
    waiting = Client()
    task = await service.start(waiting)
    waiting.sends(b"one", more=True)
    waiting.sends(b"two", more=True)
    await settle()
    service.may_end.set()
    first.sends(b"", more=False)
    await running
    waiting.sends(b"three", more=False)
    await task
    assert service.bodies[-1] == [b"one", b"two", b"three"]


async def test_little_of_a_large_body_is_read_while_it_waits() -> None:
    service = Service()
    await service.start(Client())
    waiting = Client()
    for _ in range(100):
        waiting.sends(b"x" * 40_000, more=True)
    await service.start(waiting)
    await settle()
    assert waiting.received == 2


async def test_a_client_that_goes_away_frees_its_place_at_once() -> None:
    service = Service()
    await service.start(Client())
    waiting = Client()
    task = await service.start(waiting)
    waiting.sends(b"body", more=False)
    await settle()
    assert service.gate.waiting[Priority.INTERACTIVE] == 1
    waiting.leaves()
    await task
    assert service.gate.waiting[Priority.INTERACTIVE] == 0
    assert waiting.status is None
    assert waiting not in service.began


async def test_a_client_that_goes_away_as_its_turn_comes_gives_it_on() -> None:
    service = Service()
    running = await service.start(Client())
    going, next_one = Client(), Client()
    await service.start(going)
    await service.start(next_one)
    going.leaves()
    running.cancel()
    await settle()
    assert going not in service.began
    assert service.began[-1] is next_one
    assert service.gate.running == 1


async def test_a_fault_or_a_cancellation_gives_the_slot_back() -> None:
    async def fails(*_: object) -> None:
        raise ZeroDivisionError

    gate = Gate(1, queue=0, patience=1)
    client = Client()
    with pytest.raises(ZeroDivisionError):
        await Admission(fails, gate)(client.scope, client.receive, client.send)
    assert gate.running == 0
    service = Service()
    running = await service.start(Client())
    waiting = await service.start(Client())
    waiting.cancel()
    running.cancel()
    await settle()
    assert service.gate.running == 0
    assert service.gate.waiting[Priority.INTERACTIVE] == 0


async def test_a_body_that_grows_too_large_while_it_waits_is_refused_for_its_size() -> None:
    service = Service()
    await service.start(Client())
    waiting = Client()
    waiting.scope["headers"].append((b"transfer-encoding", b"chunked"))
    limited = SizeLimit(service.admission, max_body=100, max_upload=100, is_upload=lambda *_: False)
    task = asyncio.create_task(limited(waiting.scope, waiting.receive, waiting.send))
    waiting.sends(b"x" * 60, more=True)
    await settle()
    waiting.sends(b"x" * 60, more=False)
    await task
    assert waiting.status == 413
    assert service.gate.waiting[Priority.INTERACTIVE] == 0
