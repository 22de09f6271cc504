"""`/v1/responses`: answers with their citations, at once, as a stream, or in the background."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from ragstone.api.asking import kit_of, question_of
from ragstone.api.cached import DESCRIBED, header, outcome
from ragstone.api.conversation import gone_on, said
from ragstone.api.door.identity import Reading, Writing
from ragstone.api.response_request import Includable, ResponseRequest
from ragstone.api.shapes import sse
from ragstone.api.shapes.asked import Asked
from ragstone.api.shapes.ending import Ending
from ragstone.api.shapes.events import Event, ResponseStream
from ragstone.api.shapes.response import concluded, queued
from ragstone.api.stored import asked_of, item_page, stored_response
from ragstone.api.streams import EventStream, unbroken, unheard, unless_gone
from ragstone.api.told import begun, followed, live
from ragstone.bootstrap import House, Session
from ragstone.domain import Answer
from ragstone.errors import InvalidRequestError
from ragstone.flows.ask import ask, asking
from ragstone.flows.kit import Kit
from ragstone.observe.answers import count
from ragstone.storage.answers.kept import Turn
from ragstone.storage.pages import Excerpt

router = APIRouter(prefix="/v1/responses", tags=["responses"])

_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "The response."}
}
_MADE: dict[int | str, dict[str, Any]] = {200: {**_EVENTS[200], "headers": DESCRIBED}}
_Include = Annotated[list[Includable], Query(description="What is shown beside the answer.")]
_BracketInclude = Annotated[
    list[Includable], Query(alias="include[]", description="The same, as OpenAI's clients write it.")
]


@router.post("", responses=_MADE, response_model=dict[str, object])
async def create_response(body: ResponseRequest, request: Request, session: Reading) -> Response:
    """Answer the last question of the input from the stores of the tool."""
    house: House = request.app.state.house
    turn = await _turn(body, house, session)
    asked = Asked(turn.public_id, int(turn.created_at.timestamp()), body.model, turn.question.text, turn.settings)
    if body.background:
        await session.answers.queue(turn)
        return _followed(session, asked, request) if body.stream else JSONResponse(queued(asked))
    kit, conclude = kit_of(body.model, house, session), _concluding(turn, session, store=body.store)
    if body.stream:
        return await _live(turn, asked, kit, conclude, request)
    ending = await unless_gone(request, _ended(turn, kit, conclude))
    return unheard() if ending is None else JSONResponse(concluded(asked, ending), headers=header(outcome(kit)))


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
    return _followed(session, asked_of(found, shown), request, starting_after)


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
    request: Request,
    session: Reading,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
    after: Annotated[str | None, Query(description="Id of the item that the page begins behind.")] = None,
) -> Response:
    """What the response was made from: the whole conversation up to its question."""
    excerpt, most = Excerpt(limit, newest_first=order == "desc", after=after), _most(request.app.state.house)
    return JSONResponse(item_page(await session.answers.input_items(response_id, excerpt, most)))


async def _turn(body: ResponseRequest, house: House, session: Session) -> Turn:
    heard, previous = said(body.input), None
    if body.previous_response_id:
        cut = body.truncation == "auto"
        before = await session.answers.conversation(body.previous_response_id, _most(house), cut=cut)
        heard, previous = gone_on(before, heard), before[-1].id
    return Turn(
        public_id=f"resp_{secrets.token_hex(16)}",
        created_at=_now(),
        question=await question_of(body, heard, house, session),
        settings=body.settings(),
        items=heard.items,
        lifetime=timedelta(days=house.settings.response_days),
        previous=previous,
    )


def _most(house: House) -> int:
    """Bytes of a conversation that are read for one request: as many as the request itself may have."""
    return house.settings.request_max_mb * 2**20


def _concluding(turn: Turn, session: Session, *, store: bool) -> Callable[[Answer], Awaitable[Ending]]:
    async def conclude(answer: Answer) -> Ending:
        """What is told to its end is stored before."""
        count(answer)
        now = _now()
        if store:
            await session.answers.keep(turn, answer, now)
        return Ending(int(now.timestamp()), answer)

    return conclude


async def _ended(turn: Turn, kit: Kit, conclude: Callable[[Answer], Awaitable[Ending]]) -> Ending:
    return await conclude(await ask(turn.question, kit))


async def _live(
    turn: Turn, asked: Asked, kit: Kit, conclude: Callable[[Answer], Awaitable[Ending]], request: Request
) -> EventStream:
    stream = ResponseStream(asked)
    told = live(stream, await begun(asking(turn.question, kit)), conclude)
    written = unbroken(told, lambda failure: [sse.events(stream.fail(failure))], request)
    return EventStream(written, header(outcome(kit)))


def _followed(session: Session, asked: Asked, request: Request, starting_after: int | None = None) -> EventStream:
    stream = ResponseStream(asked)
    told = followed(session.answers, asked, stream)

    async def written(events: AsyncGenerator[Event, None]) -> AsyncGenerator[bytes, None]:
        async with aclosing(events):
            async for event in events:
                if starting_after is None or int(str(event["sequence_number"])) > starting_after:
                    yield sse.event(event)

    # It is made whether or not anybody listens: a request that is repeated under its key is told where it is.
    found_at = {"content-location": f"{router.prefix}/{asked.id}"}
    return EventStream(written(unbroken(told, stream.break_off, request)), found_at)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
