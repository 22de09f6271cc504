"""Requests for every route of the service, made from its own description: a new route is probed without a new line.

Each identifier is put into each place that takes a text: path, query, body. What the answer must not depend on is
whether the identifier exists for somebody else.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import httpx

_MADE = re.compile(r"\b(?:file|vs|vsfb|resp|msg|fs|key|chatcmpl|chunk|req)[-_][0-9a-zA-Z]{8,}\b")
_VOLATILE = {"created_at", "last_active_at", "timings_ms", "usage", "created", "expires_at"}
_DEEPEST = 4  # in a body
_KEPT_HEADERS = {"content-type", "www-authenticate", "allow", "retry-after", "cache-control"}


@dataclass(frozen=True)
class Operation:
    """A route with its method, as the service describes it."""

    method: str
    path: str  # with {parameters}
    query: tuple[str, ...]
    body: Any = None  # a smallest valid one; None: takes none
    form: bool = False  # sent as a multipart form
    scope: str = ""

    @property
    def places(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)


@dataclass(frozen=True)
class Probe:
    """A request with an identifier in one of its places."""

    operation: Operation
    where: str
    url: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None

    def send(self, http: httpx.Client, headers: Mapping[str, str] | None = None) -> httpx.Response:
        if self.operation.form:
            file = {"file": ("probe.txt", b"probe", "text/plain")}
            return http.request(
                self.operation.method, self.url, params=self.query, data=self.body, files=file, headers=headers
            )
        return http.request(self.operation.method, self.url, params=self.query, json=self.body, headers=headers)


def operations(description: Mapping[str, Any]) -> list[Operation]:
    """Every route that the service describes."""
    found = []
    for path, item in description["paths"].items():
        for method, operation in item.items():
            parameters = (
                [*item.get("parameters", ()), *operation.get("parameters", ())] if method != "parameters" else ()
            )
            if method == "parameters":
                continue
            content = operation.get("requestBody", {}).get("content", {})
            kind = next(iter(content), None)
            schema = content[kind].get("schema", {}) if kind else None
            found.append(
                Operation(
                    method.upper(),
                    path,
                    tuple(p["name"] for p in parameters if p["in"] == "query"),
                    None if schema is None else smallest(schema, description),
                    form=kind == "multipart/form-data",
                )
            )
    return found


def smallest(schema: Mapping[str, Any], description: Mapping[str, Any], depth: int = 0) -> Any:
    """A small valid value of a schema, with every text that could hold an identifier."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return smallest(description["components"]["schemas"][name], description, depth + 1)
    given = [schema[word] for word in ("const", "default") if schema.get(word) is not None]
    given += schema.get("enum", [])[:1]
    options = [o for word in ("anyOf", "oneOf", "allOf") for o in schema.get(word, ()) if o.get("type") != "null"]
    if given or options:
        return given[0] if given else smallest(options[0], description, depth + 1)
    match schema.get("type"):
        case "object":
            return _object(schema, description, depth)
        case "array":
            return [smallest(schema.get("items", {"type": "string"}), description, depth + 1)]
        case "integer" | "number" | "boolean" as kind:
            return False if kind == "boolean" else max(schema.get("minimum", 1), 1)
    return "probe"


def _object(schema: Mapping[str, Any], description: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """What is required, and near the top also what is named like an identifier."""
    properties = schema.get("properties", {})
    wanted = set(schema.get("required", ()))
    if depth <= _DEEPEST:
        wanted |= {name for name in properties if {"id", "ids"} & set(name.split("_"))}
    return {name: smallest(properties[name], description, depth + 1) for name in sorted(wanted) if name in properties}


def texts(body: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where texts stand in a body."""
    if isinstance(body, str):
        yield path
    elif isinstance(body, Mapping):
        for name, value in body.items():
            yield from texts(value, (*path, name))
    elif isinstance(body, Sequence):
        for place, value in enumerate(body):
            yield from texts(value, (*path, place))


def put(body: Any, path: Sequence[str | int], value: str) -> Any:
    """The body with another text at this place."""
    if not path:
        return value
    changed = copy.deepcopy(body)
    inner = changed
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return changed


def pairs(operation: Operation, own: Sequence[str], foreign: str, unknown: str) -> Iterator[tuple[Probe, Probe]]:
    """The same request with a foreign identifier and with an unknown one, for each place of the route."""
    places = operation.places
    for at in range(len(places)):
        # The other places take whatever the asker has, one after the other.
        others = [own if place != at else [""] for place in range(len(places))]
        for values in product(*others):
            urls = []
            for value in (foreign, unknown):
                filled = [value if place == at else values[place] for place in range(len(places))]
                urls.append(_filled(operation.path, filled))
            yield tuple(Probe(operation, places[at], url, body=operation.body) for url in urls)  # type: ignore[misc]
    for values in product(*[own for _ in places]):
        url = _filled(operation.path, values)
        if operation.method == "DELETE" or url.endswith(("/cancel", "/rotate")):
            continue  # would take away what the asker has for the probes to come
        for name in operation.query:
            yield tuple(Probe(operation, name, url, {name: value}, operation.body) for value in (foreign, unknown))  # type: ignore[misc]
        for path in texts(operation.body) if operation.body is not None else ():
            where = ".".join(map(str, path))
            yield tuple(  # type: ignore[misc]
                Probe(operation, where, url, body=put(operation.body, path, value)) for value in (foreign, unknown)
            )


def told(answer: httpx.Response, identifier: str) -> object:
    """What an answer tells, but for the identifier that was sent and what is new in every answer."""
    headers = {name: value for name, value in answer.headers.items() if name in _KEPT_HEADERS}
    text = _MADE.sub("<made>", answer.text.replace(identifier, "<identifier>"))
    try:
        body = _settled(json.loads(text))
    except ValueError:
        body = text
    return answer.status_code, headers, body


def _settled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _settled(inner) for name, inner in value.items() if name not in _VOLATILE}
    return [_settled(inner) for inner in value] if isinstance(value, list) else value


def _filled(path: str, values: Sequence[str]) -> str:
    remaining = iter(values)
    return re.sub(r"{\w+}", lambda _: next(remaining), path)
