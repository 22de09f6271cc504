"""What a client says, read for what it asks: the last message of a user, and what was asked before it."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from ragstone.api.chat_request import ChatMessage
from ragstone.api.response_request import InputItem
from ragstone.domain import Message, Role
from ragstone.errors import InvalidRequestError
from ragstone.storage.answers.kept import Past

Item: TypeAlias = dict[str, object]
Parts: TypeAlias = str | Sequence[Mapping[str, object]] | None

# Kinds of parts of a message, with the field that holds their words.
_WORDS = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}
_NOTED = ("file_search_call",)  # items that an earlier response put out: kept, and not read
_INSTRUCTING = frozenset({"system", "developer"})
_SPEAKERS = {"user": Role.USER, "assistant": Role.ASSISTANT}
_CALL = ("id", "type", "status", "queries", "results")


@dataclass(frozen=True, slots=True)
class Said:
    """A conversation up to its last question."""

    question: str
    history: tuple[Message, ...]  # what was said before it by either side, oldest first
    instructions: str  # what system and developer messages say
    items: tuple[Item, ...]  # the input as it is kept


def said(given: str | Sequence[InputItem]) -> Said:
    """The input of a response.

    Raises:
        InvalidRequestError: It holds something that cannot be read, or no message of a user.
    """
    if isinstance(given, str):
        return Said(given, (), "", (_message("user", given),))
    items, spoken = [], []
    for number, item in enumerate(given):
        place = f"input.{number}"
        if item.type in _NOTED:
            items.append(_call(item))
            continue
        if item.type != "message" or item.role is None:
            raise _unreadable_item(item, place)
        text = words(item.content, place)
        items.append(_message(item.role, text))
        spoken.append((item.role, text))
    return _heard(spoken, "input", tuple(items))


def said_in_chat(messages: Iterable[ChatMessage]) -> Said:
    """The messages of a chat completion; nothing of them is kept.

    Raises:
        InvalidRequestError: They hold something that cannot be read, or no message of a user.
    """
    spoken = [
        (message.role, words(message.content, f"messages.{number}"))
        for number, message in enumerate(messages)
        if message.role in _SPEAKERS or message.role in _INSTRUCTING
    ]
    return _heard(spoken, "messages", ())


def words(content: Parts, place: str) -> str:
    """The words of a message.

    Raises:
        InvalidRequestError: A part of it is no text.
    """
    if isinstance(content, str):
        return content
    return "\n".join(_text(part, f"{place}.content.{number}") for number, part in enumerate(content or ()))


def gone_on(turns: Iterable[Past], now: Said) -> Said:
    """What is said now, behind the stored turns that it goes on from: the question stays, all else adds up."""
    history: list[Message] = []
    instructions: list[str] = []
    for turn in turns:
        for role, text in (_spoken(item) for item in turn.items if item.get("type") == "message"):
            if role in _SPEAKERS and text:
                history.append(Message(_SPEAKERS[role], text))
            elif text:
                instructions.append(text)
        if turn.answer:
            history.append(Message(Role.ASSISTANT, turn.answer))
    told = "\n\n".join(filter(None, (*instructions, now.instructions)))
    return replace(now, history=(*history, *now.history), instructions=told)


def _spoken(item: Mapping[str, object]) -> tuple[str, str]:
    """Who says what in a kept item."""
    content = item["content"]
    assert isinstance(content, list)
    return str(item["role"]), "\n".join(str(part["text"]) for part in content)


def _text(part: Mapping[str, object], place: str) -> str:
    kind = str(part.get("type"))
    text = part.get(_WORDS.get(kind, ""))
    if isinstance(text, str):
        return text
    raise InvalidRequestError(
        f"{place} is no text but {kind}",
        why="questions are asked in words",
        remedy="Leave it out; what is to be searched is uploaded and attached to a vector store",
        param=place,
    )


def _heard(spoken: Sequence[tuple[str, str]], param: str, items: tuple[Item, ...]) -> Said:
    """The last words of a user as the question, what both sides said before it, and the instructions."""
    asked = [place for place, (role, _) in enumerate(spoken) if role == "user"]
    if not asked:
        raise InvalidRequestError(f"The {param} has no message of a user", remedy="Ask with the role user", param=param)
    history = [Message(_SPEAKERS[role], text) for role, text in spoken[: asked[-1]] if role in _SPEAKERS and text]
    instructions = "\n\n".join(text for role, text in spoken if role in _INSTRUCTING)
    return Said(spoken[asked[-1]][1], tuple(history), instructions, items)


def _message(role: str, text: str) -> Item:
    """A message as it is listed."""
    message: Item = {"id": f"msg_{secrets.token_hex(16)}", "type": "message", "role": role, "status": "completed"}
    if role == "assistant":
        return {**message, "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]}
    return {**message, "content": [{"type": "input_text", "text": text}]}


def _call(item: InputItem) -> Item:
    given = item.model_dump(mode="json")
    known: Item = {"id": f"fs_{secrets.token_hex(16)}", "status": "completed", "queries": [], "results": None}
    return {**known, **{name: given[name] for name in _CALL if name in given}}


def _unreadable_item(item: InputItem, place: str) -> InvalidRequestError:
    if item.type == "item_reference":
        remedy = "Send the items themselves, or go on from a stored response with previous_response_id"
    elif item.type == "message":
        remedy = "Give it a role: user, assistant, system or developer"
    else:
        remedy = "Send messages, and what earlier responses put out"
    return InvalidRequestError(f"{place} is a {item.type} that cannot be read", remedy=remedy, param=place)
