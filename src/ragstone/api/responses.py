"""`POST /v1/responses`: an answer with its citations, in the shape of OpenAI's file search."""

from __future__ import annotations

import secrets
import time

from fastapi import APIRouter, Request

from ragstone import wire
from ragstone.api.requests import FileSearchTool, ResponseRequest, domain_filter, fusion
from ragstone.bootstrap import House
from ragstone.domain import Answer, Question
from ragstone.errors import InvalidQuestionError
from ragstone.flows.ask import ask

router = APIRouter(prefix="/v1/responses", tags=["responses"])

MODEL = "ragstone-extractive"  # what answers until a language model is configured


@router.post("")
async def create_response(body: ResponseRequest, request: Request) -> dict[str, object]:
    """Answer the last question of the input from the stores of the tool."""
    _refuse_unsupported(body)
    house: House = request.app.state.house
    tool = body.tools[0]
    text = _question_text(body)
    question = Question(
        text=text,
        stores=tuple([await house.index.store(store) for store in tool.vector_store_ids]),
        top_k=tool.max_num_results,
        filter=domain_filter(tool.filters),
        fusion=fusion(tool.ranking_options),
        score_threshold=tool.ranking_options.score_threshold if tool.ranking_options else 0.0,
    )
    answer = await ask(question, house.index, house.embedder)
    return _response(body, tool, text, answer)


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


def _response(body: ResponseRequest, tool: FileSearchTool, text: str, answer: Answer) -> dict[str, object]:
    return {
        "id": f"resp_{secrets.token_hex(16)}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "completed",
        "model": MODEL,
        "output": [_search_call(body, text, answer), _message(answer)],
        "tools": [tool.model_dump(mode="json", exclude_none=True)],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "instructions": body.instructions,
        "metadata": body.metadata or {},
        "temperature": None,
        "top_p": None,
        "error": None,
        "incomplete_details": None,
        "grounding": {"status": answer.status.value},
        "timings_ms": wire.timings(answer.timings_ms),
    }


def _search_call(body: ResponseRequest, text: str, answer: Answer) -> dict[str, object]:
    wanted = "file_search_call.results" in body.include
    return {
        "id": f"fs_{secrets.token_hex(16)}",
        "type": "file_search_call",
        "status": "completed",
        "queries": [text],
        "results": [wire.hit(hit) for hit in answer.nearest] if wanted else None,
    }


def _message(answer: Answer) -> dict[str, object]:
    annotations = [
        {**wire.citation(citation), "type": "file_citation", "index": citation.answer_index}
        for citation in answer.citations
    ]
    content = {"type": "output_text", "text": answer.text, "annotations": annotations, "logprobs": []}
    return {
        "id": f"msg_{secrets.token_hex(16)}",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [content],
    }
