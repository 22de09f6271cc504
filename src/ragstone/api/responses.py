"""`POST /v1/responses`: an answer with its citations, in the shape of OpenAI's file search."""

from __future__ import annotations

import secrets
import time

from fastapi import APIRouter, Request

from ragstone.api.identity import Reading
from ragstone.api.requests import ResponseRequest, domain_filter, fusion
from ragstone.api.shapes.asked import Asked
from ragstone.api.shapes.ending import Ending
from ragstone.api.shapes.response import completed
from ragstone.bootstrap import House
from ragstone.domain import Question
from ragstone.errors import InvalidQuestionError
from ragstone.flows.ask import ask

router = APIRouter(prefix="/v1/responses", tags=["responses"])

MODEL = "ragstone-extractive"  # what answers until a language model is configured


@router.post("")
async def create_response(body: ResponseRequest, request: Request, session: Reading) -> dict[str, object]:
    """Answer the last question of the input from the stores of the tool."""
    _refuse_unsupported(body)
    house: House = request.app.state.house
    tool = body.tools[0]
    text = _question_text(body)
    repeated = body.model_dump(mode="json", exclude_none=True)
    asked = Asked(f"resp_{secrets.token_hex(16)}", int(time.time()), MODEL, text, repeated)
    question = Question(
        text=text,
        stores=tuple([await session.index.store(store) for store in tool.vector_store_ids]),
        top_k=tool.max_num_results,
        filter=domain_filter(tool.filters),
        fusion=fusion(tool.ranking_options),
        score_threshold=tool.ranking_options.score_threshold if tool.ranking_options else 0.0,
    )
    answer = await ask(question, session.index, house.embedder)
    return completed(asked, answer, Ending.of(answer, int(time.time())))


def _refuse_unsupported(body: ResponseRequest) -> None:
    for name in ("stream", "background", "previous_response_id"):
        if getattr(body, name):
            raise InvalidQuestionError(f"{name} is not supported by this release", remedy=f"Leave {name} out")


def _question_text(body: ResponseRequest) -> str:
    if isinstance(body.input, str):
        return body.input
    asked = [message for message in body.input if message.role == "user"]
    if not asked:
        raise InvalidQuestionError("The input has no message of a user", remedy="Ask with the role user")
    content = asked[-1].content
    return content if isinstance(content, str) else "\n".join(part.text for part in content)
