"""`/v1/responses`: answers with their citations, at once, as a stream, or in the background."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from ragstone.api.asking import MODEL, question_of
from ragstone.api.conversation import said
from ragstone.api.door.identity import Reading, Writing
from ragstone.api.response_request import Includable, ResponseRequest
from ragstone.api.shapes import sse
from ragstone.api.shapes.asked import Asked
from ragstone.api.shapes.ending import Ending, Failure
from ragstone.api.shapes.events import Event, ResponseStream
from ragstone.api.shapes.response import completed, queued
from ragstone.api.stored import asked_of, input_items, item_page, stored_response
from ragstone.api.streams import EventStream, unbroken
from ragstone.api.told import followed, live
from ragstone.bootstrap import House, Session
from ragstone.domain import Answer, Message, Role
from ragstone.errors import InvalidRequestError
from ragstone.flows.ask import ask
from ragstone.storage.answers.kept import Turn

router = APIRouter(prefix="/v1/responses", tags=["responses"])

_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "The response."}
}
_Include = Annotated[list[Includable], Query(description="What is shown beside the answer.")]
_BracketInclude = Annotated[
    list[Includable], Query(alias="include[]", description="The same, as OpenAI's clients write it.")
]


@router.post("", responses=_EVENTS, response_model=dict[str, object])
async def create_response(body: ResponseRequest, request: Request, session: Reading) -> Response:
    """Answer the last question of the input from the stores of the tool."""
    turn = await _turn(body, request, session)
    asked = Asked(turn.public_id, int(turn.created_at.timestamp()), MODEL, turn.question.text, turn.settings)
    stream = ResponseStream(asked)
    if body.background:
        await session.answers.queue(turn)
        if body.stream:
            return _events(followed(session.answers, asked, stream), stream.break_off, request)
        return JSONResponse(queued(asked))
    answering = _answering(turn, request, session, store=body.store)
    if body.stream:
        return _events(live(stream, answering), stream.fail, request)
    answer, ending = await answering()
    return JSONResponse(completed(asked, answer, ending))


@router.get("/{response_id}", responses=_EVENTS, response_model=dict[str, object])
async def get_response(  # noqa: PLR0913, PLR0917  the parameters of the route
    response_id: str,
    request: Request,
    session: Reading,
    include: _Include = [],  # noqa: B006  FastAPI copies it
    include_brackets: _BracketInclude = [],  # noqa: B006
    stream: Annotated[bool, Query(description="Tell it in events, from its beginning.")] = False,  # noqa: FBT002
    starting_after: Annotated[int | None, Query(ge=0, description="Number of the last event that is known.")] = None,
) -> Response:
    """The response of that id as it is now, or told again in events."""
    found = await session.answers.find(response_id)
    shown = (*include, *include_brackets)
    if not stream:
        return JSONResponse(stored_response(found, shown))
    asked = asked_of(found, shown)
    telling = ResponseStream(asked)
    return _events(followed(session.answers, asked, telling), telling.break_off, request, starting_after)


@router.delete("/{response_id}")
async def delete_response(response_id: str, session: Writing) -> dict[str, object]:
    """Delete the response of that id; those that go on from it stay."""
    await session.answers.delete(response_id)
    return {"id": response_id, "object": "response", "deleted": True}


@router.post("/{response_id}/cancel", response_model=dict[str, object])
async def cancel_response(response_id: str, session: Reading) -> Response:
    """Call an answer in the background off; one that has ended stays as it is."""
    found = await session.answers.find(response_id)
    if not asked_of(found).background:
        raise InvalidRequestError(
            f"The response {response_id} is not made in the background", remedy="Only such responses can be cancelled"
        )
    return JSONResponse(stored_response(await session.answers.cancel(response_id)))


@router.get("/{response_id}/input_items", response_model=dict[str, object])
async def list_input_items(
    response_id: str,
    session: Reading,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
    after: Annotated[str | None, Query(description="Id of the item that the page begins behind.")] = None,
) -> Response:
    """What the response was made from: the whole conversation up to its question."""
    items = input_items(await session.answers.conversation(response_id))
    return JSONResponse(item_page(items, limit, newest_first=order == "desc", after=after))


async def _turn(body: ResponseRequest, request: Request, session: Session) -> Turn:
    house: House = request.app.state.house
    now = datetime.now(UTC).replace(microsecond=0)
    heard = said(body.input)
    before = await session.answers.find(body.previous_response_id) if body.previous_response_id else None
    if before:
        heard = replace(heard, history=(Message(Role.USER, before.asked), *heard.history))
    return Turn(
        public_id=f"resp_{secrets.token_hex(16)}",
        created_at=now,
        question=await question_of(body, heard, house, session),
        settings=body.settings(),
        items=heard.items,
        lifetime=timedelta(days=house.settings.response_days),
        previous=before.id if before else None,
    )


def _answering(
    turn: Turn, request: Request, session: Session, *, store: bool
) -> Callable[[], Awaitable[tuple[Answer, Ending]]]:
    house: House = request.app.state.house

    async def answering() -> tuple[Answer, Ending]:
        """What is told is stored before it is told."""
        answer = await ask(turn.question, session.index, house.embedder)
        now = datetime.now(UTC).replace(microsecond=0)
        if store:
            await session.answers.keep(turn, answer, now)
        return answer, Ending.of(answer, int(now.timestamp()))

    return answering


def _events(
    told: AsyncGenerator[Event, None],
    fail: Callable[[Failure], list[Event]],
    request: Request,
    starting_after: int | None = None,
) -> EventStream:
    async def written() -> AsyncGenerator[bytes, None]:
        async with aclosing(unbroken(told, fail, request.state.id)) as events:
            async for event in events:
                if starting_after is None or int(str(event["sequence_number"])) > starting_after:
                    yield sse.event(event)

    return EventStream(written())
