"""`POST /v1/chat/completions`: each store as a model that answers, for every chat client."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from ragstone.api.asking import chat_question, kit_of
from ragstone.api.cached import DESCRIBED, header, outcome
from ragstone.api.chat_request import ChatRequest
from ragstone.api.conversation import said_in_chat
from ragstone.api.door.identity import Reading
from ragstone.api.links import Links
from ragstone.api.shapes import sse
from ragstone.api.shapes.asked import ChatAsked
from ragstone.api.shapes.chat import ChatStream, completion
from ragstone.api.streams import EventStream, unbroken, unheard, unless_gone
from ragstone.api.told import begun, live_chat
from ragstone.bootstrap import House
from ragstone.errors import InvalidRequestError
from ragstone.flows.ask import ask, asking
from ragstone.observe.answers import count

router = APIRouter(prefix="/v1/chat/completions", tags=["chat"])

_CHUNKS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
        "description": "The completion.",
        "headers": DESCRIBED,
    }
}


@router.post("", responses=_CHUNKS, response_model=dict[str, object])
async def create_chat_completion(body: ChatRequest, request: Request, session: Reading) -> Response:
    """Answer the last message of the user from the store that the model names."""
    _refuse_unsupported(body)
    house: House = request.app.state.house
    question = await chat_question(body, said_in_chat(body.messages), house, session)
    kit, asked, link = kit_of(body.model, house, session), _asked(body), Links.of(request).citation
    if body.stream:
        stream = ChatStream(asked, link)
        told = live_chat(stream, await begun(asking(question, kit)))
        return EventStream(_written(stream, told, request), header(outcome(kit)))
    answer = await unless_gone(request, ask(question, kit))
    if answer is None:
        return unheard()
    count(answer)
    return JSONResponse(completion(asked, answer, link), headers=header(outcome(kit)))


def _asked(body: ChatRequest) -> ChatAsked:
    return ChatAsked(
        id=f"chatcmpl-{secrets.token_hex(16)}",
        created_at=int(time.time()),
        model=body.model,
        include_usage=body.stream_options.include_usage,
    )


async def _written(
    stream: ChatStream, told: AsyncGenerator[bytes, None], request: Request
) -> AsyncGenerator[bytes, None]:
    failing = unbroken(told, lambda failure: [sse.chunks(stream.fail(failure))], request)
    async with aclosing(failing) as pieces:
        async for piece in pieces:
            yield piece
    yield sse.DONE


def _refuse_unsupported(body: ChatRequest) -> None:
    """Refuse what would have to change the answer and cannot; all else that is not known is ignored."""
    form = (body.response_format or {}).get("type", "text")
    unfit = {
        "n": (body.n != 1, "There is one answer: leave it out"),
        "response_format": (form != "text", "Answers are text: leave it out"),
        "tool_choice": (body.tool_choice not in ("auto", "none"), "No tools are called: leave it out"),
        "modalities": (body.modalities != ["text"], "Answers are text: leave it out"),
        "logprobs": (body.logprobs, "Nothing is sampled: leave it out"),
    }
    for param, (is_unfit, remedy) in unfit.items():
        if is_unfit:
            raise InvalidRequestError(f"{param} as it was given is not offered", remedy=remedy, param=param)
