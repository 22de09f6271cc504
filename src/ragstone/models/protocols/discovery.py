"""The server's name for a model, where the settings do not have it."""

from __future__ import annotations

from pydantic import BaseModel, ValidationError

from ragstone.models.faults import Fault, MemberError
from ragstone.models.protocols.client import Client
from ragstone.models.protocols.deadlines import Deadlines
from ragstone.models.protocols.trouble import garbage
from ragstone.settings.models import Model

_MOST = 1 << 20  # bytes of the list
_SHOWN = 8  # names


class _Entry(BaseModel):
    id: str


class _List(BaseModel):
    data: list[_Entry]


async def named(model: Model, client: Client, deadlines: Deadlines) -> str:
    """The name; asked for once, and again after the server no longer knows it.

    Raises:
        MemberError: The server cannot be asked, or has not exactly one.
    """
    if model.model is not None:
        return model.model
    if client.found is None:
        client.found = await _only_one(client, deadlines)
    return client.found


async def _only_one(client: Client, deadlines: Deadlines) -> str:
    async with await client.get("/models", deadlines) as answer:
        content = await answer.whole(_MOST)
    try:
        names = [entry.id for entry in _List.model_validate_json(content).data]
    except ValidationError:
        raise garbage(answer.speaker, "its list of models is none") from None
    if len(names) == 1:
        return names[0]
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    raise MemberError(
        f"The member {answer.speaker.name} needs the setting model",
        why=f"its server has {shown}" if names else "its server lists none",
        fault=Fault.UNKNOWN_MODEL,
    )
