"""From a request to the question that is searched for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ragstone.api.cached import watched
from ragstone.api.chat_request import ChatRequest
from ragstone.api.conversation import Said
from ragstone.api.requests import domain_filter, fusion
from ragstone.api.response_request import FileSearchTool, ResponseRequest
from ragstone.api.shapes.models import store_name
from ragstone.bootstrap import House, Session
from ragstone.domain import EXTRACTIVE, Question, Store
from ragstone.errors import InvalidRequestError, ModelNotFoundError, StoreNotFoundError
from ragstone.flows.kit import Kit
from ragstone.retrieve.check import check

NAMES = frozenset({"ragstone", EXTRACTIVE})  # of what answers from the stores that a request names

_CHOICES = frozenset({"auto", "required"})
_TOOL = "file_search"


async def question_of(body: ResponseRequest, said: Said, house: House, session: Session) -> Question:
    """What a response is asked.

    Raises:
        InvalidRequestError: What is asked for is not offered, or the question cannot be searched.
        ModelNotFoundError: There is no model of that name.
        StoreNotFoundError: There is no store of that name or id.
    """
    refuse_unsupported(body)
    tool, options = one_tool(body.tools), body.options(said.instructions)
    named = await model_store(body.model, session)
    if tool is None:
        store = named or await _default(house, session)
        return _checked(Question(said.question, (store,), history=said.history, options=options), house)
    ranking = tool.ranking_options
    question = Question(
        text=said.question,
        stores=await _stores(tool.vector_store_ids, session),
        top_k=tool.max_num_results,
        filter=domain_filter(tool.filters),
        fusion=fusion(ranking),
        score_threshold=ranking.score_threshold if ranking else 0.0,
        history=said.history,
        options=options,
    )
    return _checked(question, house)


async def chat_question(body: ChatRequest, said: Said, house: House, session: Session) -> Question:
    """What a chat is asked.

    Raises:
        InvalidRequestError: The question cannot be searched.
        ModelNotFoundError: There is no model of that name.
    """
    store = await model_store(body.model, session) or await _default(house, session)
    options = body.options(said.instructions)
    return _checked(Question(said.question, (store,), history=said.history, options=options), house)


def kit_of(model: object, house: House, session: Session) -> Kit:
    """What answers, if this model is asked: `ragstone-extractive` is never a language model.

    Raises:
        SettingsError: The models or the prompts of the settings do not fit.
    """
    kit = watched(house.kit(session))
    return replace(kit, llm=None) if model == EXTRACTIVE else kit


async def model_store(model: str, session: Session) -> Store | None:
    """The store that this model answers from; None for the model that answers from whatever a request names.

    Raises:
        ModelNotFoundError: There is no model of that name.
    """
    if model in NAMES:
        return None
    name = store_name(model)
    if name is not None:
        try:
            return await session.index.store(name)
        except StoreNotFoundError:
            pass
    raise ModelNotFoundError(f"There is no model {model} that answers", remedy="GET /v1/models lists the models")


def one_tool(tools: Sequence[FileSearchTool]) -> FileSearchTool | None:
    """Several searches as one over all their stores; None without any.

    Raises:
        InvalidRequestError: They differ in more than their stores.
    """
    if not tools:
        return None
    ids = dict.fromkeys(store for tool in tools for store in tool.vector_store_ids)
    merged = [tool.model_copy(update={"vector_store_ids": list(ids)}) for tool in tools]
    if any(tool != merged[0] for tool in merged):
        raise InvalidRequestError(
            "The file_search tools differ in more than their stores",
            why="they are searched together",
            remedy="Give them the same options, or send one of them",
            param="tools",
        )
    return merged[0]


def refuse_unsupported(body: ResponseRequest) -> None:
    """Refuse what would have to change the answer and cannot.

    Raises:
        InvalidRequestError: With the parameter to leave out.
    """
    if body.conversation is not None:
        raise _not_offered("conversation", "Go on from a response with previous_response_id")
    if body.prompt is not None:
        raise _not_offered("prompt", "Send the question as input")
    if body.background and not body.store:
        raise InvalidRequestError(
            "An answer in the background has to be stored", remedy="Leave store out, or background", param="background"
        )
    _refuse_format(body.text)
    if not _finds(body.tool_choice):
        raise _not_offered("tool_choice", "Answers come from the documents: choose auto, required or file_search")


def _refuse_format(text: Mapping[str, object] | None) -> None:
    form = (text or {}).get("format")
    if form is not None and not (isinstance(form, dict) and form.get("type") == "text"):
        raise _not_offered("text.format", "Answers are text: leave it out")


def _finds(choice: str | Mapping[str, object]) -> bool:
    """Whether the search may still be used."""
    if isinstance(choice, str):
        return choice in _CHOICES
    if choice.get("type") == "allowed_tools":
        allowed = choice.get("tools")
        return isinstance(allowed, list) and any(_is_search(tool) for tool in allowed)
    return _is_search(choice)


def _is_search(tool: object) -> bool:
    return isinstance(tool, dict) and tool.get("type") == _TOOL


async def _stores(ids: Iterable[str], session: Session) -> tuple[Store, ...]:
    """Each once, also if it is named by its name and its id."""
    found = [await session.index.store(name) for name in ids]
    return tuple({store.id: store for store in found}.values())


async def _default(house: House, session: Session) -> Store:
    name = house.settings.store
    try:
        return await session.index.store(name)
    except StoreNotFoundError:
        raise InvalidRequestError(
            "The request names no store to answer from",
            why=f"and there is no store {name}, which would be the default",
            remedy="Add the tool file_search with vector_store_ids, or take ragstone/ and a store's name as the model",
        ) from None


def _checked(question: Question, house: House) -> Question:
    check(question, house.embedder.model)
    return question


def _not_offered(param: str, remedy: str) -> InvalidRequestError:
    return InvalidRequestError(f"{param} as it was given is not offered", remedy=remedy, param=param)
