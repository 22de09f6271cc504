"""The fields of answers that are built as plain JSON, for the description of the interface.

Nothing is checked against these while the service runs; the tests check every answer against them.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter

from ragstone.api.answers.chat import ChatCompletion
from ragstone.api.answers.found import SearchPage
from ragstone.api.answers.health import Alive, Readiness
from ragstone.api.answers.models import EmbeddingList, Model, ModelList
from ragstone.api.answers.responses import InputItems, RemovedResponse, ResponseObject

# By the name of the operation.
ANSWERS: dict[str, type[BaseModel]] = {
    "livez": Alive,
    "startupz": Alive,
    "readyz": Readiness,
    "search_store": SearchPage,
    "create_response": ResponseObject,
    "get_response": ResponseObject,
    "cancel_response": ResponseObject,
    "delete_response": RemovedResponse,
    "list_input_items": InputItems,
    "create_chat_completion": ChatCompletion,
    "list_models": ModelList,
    "get_model": Model,
    "create_embeddings": EmbeddingList,
}


def answer_schemas(operations: set[str]) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """The schema of the answer of each of these operations that is known here, and the schemas that those refer to."""
    adapters: list[tuple[str, Literal["validation"], TypeAdapter[Any]]] = [
        (name, "validation", TypeAdapter(kind)) for name, kind in ANSWERS.items() if name in operations
    ]
    found, rest = TypeAdapter.json_schemas(adapters, ref_template="#/components/schemas/{model}")
    definitions: dict[str, Any] = _without_nulls(rest.get("$defs", {}))
    return {name: schema for (name, _), schema in found.items()}, definitions


def _without_nulls(schema: Any) -> Any:  # noqa: ANN401
    """Without the default that stands for being absent."""
    if isinstance(schema, dict):
        return {name: _without_nulls(part) for name, part in schema.items() if not (name == "default" and part is None)}
    return [_without_nulls(part) for part in schema] if isinstance(schema, list) else schema
