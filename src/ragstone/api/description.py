"""`/openapi.json`: what the routes say of themselves, and what holds for all of them.

FastAPI knows parameters, bodies and answers. Errors, headers and scopes are the same everywhere and are added here, so
that no route has to repeat them and none can forget them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, cast

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from ragstone import __version__
from ragstone.api import components
from ragstone.api.answers import answer_schemas
from ragstone.api.components import ERRORS, EVERY_ANSWER, REPEATED_ANSWER, TAGS, Json
from ragstone.api.door.identity import OPEN, May
from ragstone.domain import Scope

_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_FASTAPI_S_OWN = ("HTTPValidationError", "ValidationError")  # of its 422, which is a 400 here
_PAGE = re.compile(r"ListPage_(\w+?)_\b")


class Described(FastAPI):
    """An application whose description is complete."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401  what FastAPI takes
        super().__init__(
            title="Ragstone",
            version=__version__,
            description="Answers from your own documents, with citations that can be checked.",
            generate_unique_id_function=lambda route: route.name,
            redirect_slashes=False,  # a client that follows a redirect may lose its body
            **settings,
        )
        self._described: Json | None = None

    def openapi(self) -> Json:
        """The description, as OpenAPI 3.1."""
        if self._described is None:
            self._described = self._describe()
        return self._described

    def _describe(self) -> Json:
        found = super().openapi()
        schemas = found.setdefault("components", {}).setdefault("schemas", {})
        for name in _FASTAPI_S_OWN:
            schemas.pop(name, None)
        scopes = self._scopes()
        for method, path, operation in operations_of(found):
            _complete(method, path, operation, scopes.get((method, path), ()))
        schemas |= {**_name_fields(found), "ErrorResponse": components.ERROR}
        found["components"] = {
            "schemas": dict(sorted(schemas.items())),
            "responses": {name: components.error_answer(status) for status, (name, _) in ERRORS.items()},
            "headers": components.HEADERS,
            "securitySchemes": {"bearer": components.BEARER},
        }
        used = {tag for _, _, operation in operations_of(found) for tag in operation.get("tags", ())}
        found["tags"] = [{"name": tag, "description": words} for tag, words in TAGS.items() if tag in used]
        return cast("Json", json.loads(_PAGE.sub(r"\1Page", json.dumps(found))))

    def _scopes(self) -> dict[tuple[str, str], tuple[Scope, ...]]:
        return {
            (method, route.path_format or ""): scopes_of(route.dependant)
            for route in iter_route_contexts(self.routes)
            if getattr(route, "dependant", None)
            for method in route.methods or ()
        }


def operations_of(description: Json) -> Iterator[tuple[str, str, Json]]:
    """Method, path and description of every operation."""
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            yield method.upper(), path, operation


def scopes_of(dependant: Dependant) -> tuple[Scope, ...]:
    """The scopes of which a route asks one of its caller."""
    return next((call.scopes for call in _calls(dependant) if isinstance(call, May)), ())


def _calls(dependant: Dependant) -> Iterator[object]:
    yield dependant.call
    for inner in dependant.dependencies:
        yield from _calls(inner)


def _name_fields(found: Json) -> Json:
    """Describe the answers that routes build as plain JSON; returns the schemas that those refer to."""
    by_name = {operation["operationId"]: operation for _, _, operation in operations_of(found)}
    answers, definitions = answer_schemas(set(by_name))
    for name, schema in answers.items():
        for answer in by_name[name]["responses"].values():
            if "application/json" in answer.get("content", ()):
                answer["content"]["application/json"]["schema"] = schema
    assert not definitions.keys() & found["components"]["schemas"].keys(), "two schemas of one name"
    return definitions


def _complete(method: str, path: str, operation: Json, scopes: tuple[Scope, ...]) -> None:
    headers = [components.REQUEST_ID]
    operation.pop("security", None)
    if path not in OPEN:
        # OpenAPI 3.1 lists the roles that are needed here, whatever the scheme.
        operation["security"] = [{"bearer": [scope.value]} for scope in scopes] or [{"bearer": []}]
        headers += [components.BEHALF, components.CLASS]
        headers += [components.IDEMPOTENCY_KEY] if method in _WRITES else []
    operation["parameters"] = [*operation.get("parameters", []), *headers]
    operation["responses"] = _answers(method, path, operation)


def _answers(method: str, path: str, operation: Json) -> Json:
    answers = {status: answer for status, answer in operation["responses"].items() if status != "422"}
    for status, answer in answers.items():
        if "text/event-stream" in answer.get("content", ()):
            answer["content"]["text/event-stream"] = {"schema": components.EVENT}
        repeated = REPEATED_ANSWER if method in _WRITES and status.startswith("2") else {}
        answer["headers"] = {**EVERY_ANSWER, **repeated, **answer.get("headers", {})}
    errors = {
        str(status): {"$ref": f"#/components/responses/{ERRORS[status][0]}"}
        for status in _errors_of(method, path, operation)
    }
    return dict(sorted({**errors, **answers}.items()))


def _errors_of(method: str, path: str, operation: Json) -> Iterator[int]:
    yield 500
    if path in OPEN:
        return
    yield from (400, 401, 403, 429, 503)
    if method in _WRITES or "{" in path:
        yield from (404, 409)
    if method in _WRITES:
        yield from (408, 413)
    if "requestBody" in operation:
        yield 415
