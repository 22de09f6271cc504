"""`POST /v1/chat/completions`: each store as a model that answers, for every chat client."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from ragstone.api.asking import chat_question
from ragstone.api.chat_request import ChatRequest
from ragstone.api.conversation import said_in_chat
from ragstone.api.door.identity import Reading
from ragstone.api.links import Links
from ragstone.api.shapes import sse
from ragstone.api.shapes.asked import ChatAsked
from ragstone.api.shapes.chat import ChatStream, Chunk, completion, telling
from ragstone.api.shapes.ending import Ending
from ragstone.api.streams import EventStream, unbroken
from ragstone.bootstrap import House, Session
from ragstone.domain import Answer, Question
from ragstone.errors import InvalidRequestError
from ragstone.flows.ask import ask

router = APIRouter(prefix="/v1/chat/completions", tags=["chat"])

_CHUNKS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "The completion."}
}


@router.post("", responses=_CHUNKS, response_model=dict[str, object])
async def create_chat_completion(body: ChatRequest, request: Request, session: Reading) -> Response:
    """Answer the last message of the user from the store that the model names."""
    _refuse_unsupported(body)
    house: House = request.app.state.house
    question = await chat_question(body.model, said_in_chat(body.messages), house, session)
    asked = ChatAsked(
        id=f"chatcmpl-{secrets.token_hex(16)}",
        created_at=int(time.time()),
        model=body.model,
        include_usage=body.stream_options.include_usage,
    )
    links = Links.of(request)
    if body.stream:
        stream = ChatStream(asked, links.citation)
        return EventStream(_written(stream, _live(stream, question, house, session), request.state.id))
    answer = await ask(question, session.index, house.embedder)
    return JSONResponse(completion(asked, answer, links.citation, _ending(answer)))


async def _live(stream: ChatStream, question: Question, house: House, session: Session) -> AsyncGenerator[Chunk, None]:
    for chunk in stream.start():
        yield chunk
    answer = await ask(question, session.index, house.embedder)
    for chunk in telling(stream, answer, _ending(answer)):
        yield chunk


async def _written(stream: ChatStream, told: AsyncGenerator[Chunk, None], request: str) -> AsyncGenerator[bytes, None]:
    async with aclosing(unbroken(told, stream.fail, request)) as chunks:
        async for chunk in chunks:
            yield sse.data(chunk)
    yield sse.DONE


def _ending(answer: Answer) -> Ending:
    return Ending.of(answer, int(time.time()))


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
