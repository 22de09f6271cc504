"""What `/openapi.json` says, as pages: routes with their parameters, bodies and answers, and the schemas of both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, TypeAlias

from tables import table

from ragstone.api import app

Json: TypeAlias = dict[str, Any]

_LIMITS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
    "minItems": "items: at least",
    "maxItems": "items: at most",
    "minLength": "characters: at least",
    "maxLength": "characters: at most",
    "maxProperties": "fields: at most",
}


@cache
def description() -> Json:
    """The description that the service gives of itself."""
    return app.interface().openapi()


def _operations() -> Iterator[tuple[str, str, Json]]:
    for path, operations in description()["paths"].items():
        for method, operation in operations.items():
            yield method.upper(), path, operation


def routes() -> str:
    """Every route with the scope that it asks for and its purpose."""
    rows = [(f"[`{m} {p}`](#{_anchor(m, p)})", _scope(o), _first_line(o)) for m, p, o in _operations()]
    return table(("Route", "Scope", "Purpose"), rows)


def _anchor(method: str, path: str) -> str:
    """The name that a page gives to the heading of a route."""
    title = f"{method} {path}".lower().replace(" ", "-")
    return "".join(c for c in title if c.isalnum() or c in "-_")


def _scope(operation: Json) -> str:
    required = [scope for way in operation.get("security", ()) for scopes in way.values() for scope in scopes]
    return " or ".join(f"`{scope}`" for scope in required) if required else "any" if "security" in operation else ""


def _first_line(operation: Json) -> str:
    return str(operation.get("description", "")).partition("\n")[0]


def headers() -> str:
    """The headers of requests that every route reads."""
    found = {
        parameter["name"]: parameter
        for _, _, operation in _operations()
        for parameter in operation["parameters"]
        if parameter["in"] == "header"
    }
    return table(
        ("Header", "Value", "Purpose"), [(f"`{n}`", _value(p["schema"]), p["description"]) for n, p in found.items()]
    )


def statuses() -> str:
    """Every status of an error, with what it means."""
    rows = {}
    for _, _, operation in _operations():
        for status, answer in operation["responses"].items():
            if "$ref" in answer:
                rows[status] = _component(answer["$ref"])["description"]
    return table(("Status", "When"), [(f"{status}", when) for status, when in sorted(rows.items())])


def operations() -> str:
    """Every route with its parameters, its body, its answers and its errors, grouped as they are tagged."""
    about = {tag["name"]: tag["description"] for tag in description()["tags"]}
    groups: dict[str, list[str]] = {name: [] for name in about}
    for method, path, operation in _operations():
        groups[operation["tags"][0]].append(_operation(method, path, operation))
    return "\n\n".join(
        "\n\n".join((f"## {name.capitalize()}", about[name], *written)) for name, written in groups.items()
    )


def _operation(method: str, path: str, operation: Json) -> str:
    parts = [f"### {method} {path}", operation.get("description", "")]
    asked = [p for p in operation["parameters"] if p["in"] in ("path", "query")]
    if asked:
        rows = [
            (
                f"`{p['name']}`",
                p["in"],
                *_facts(p["schema"], required=p.get("required", False)),
                p.get("description", ""),
            )
            for p in asked
        ]
        parts.append(table(("Parameter", "In", "Type", "Default", "Limits", "Meaning"), rows))
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = content.get("schema", {})
        parts.append(f"Body: `{kind}`, {_link(schema)}.")
        if "properties" in schema:
            parts.append(_fields(schema))
    answers = operation["responses"]
    parts += [f"Answers {status}{_contents(answers[status])}." for status in answers if "$ref" not in answers[status]]
    errors = ", ".join(status for status in answers if "$ref" in answers[status])
    parts.append(f"Scope: {_scope(operation) or 'none'}. Errors: {errors}.")
    return "\n\n".join(filter(None, parts))


def _contents(answer: Json) -> str:
    shown = [f"`{kind}`, {_link(content.get('schema', {}))}" for kind, content in answer.get("content", {}).items()]
    return f": {'; or '.join(shown)}" if shown else " without a body"


def _link(schema: Json) -> str:
    if "$ref" in schema:
        name = _type(schema)
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(map(_link, schema["anyOf"])))
    return _type(schema)


def schemas() -> str:
    """Every field of every body that the service reads or answers."""
    found = description()["components"]["schemas"]
    return "\n\n".join(_schema(name, schema) for name, schema in found.items())


def _schema(name: str, schema: Json) -> str:
    content = _fields(schema) if "properties" in schema else f"One of {_type(schema)}."
    return "\n\n".join(filter(None, (f"### {name}", schema.get("description", ""), content)))


def _fields(schema: Json) -> str:
    required = schema.get("required", [])
    rows = [
        (f"`{field}`", *_facts(shape, required=field in required), shape.get("description", ""))
        for field, shape in schema["properties"].items()
    ]
    return table(("Field", "Type", "Default", "Limits", "Meaning"), rows)


def _facts(shape: Json, *, required: bool) -> tuple[str, str, str]:
    """Type, default and limits."""
    default = "required" if required else f"`{json.dumps(shape['default'])}`" if "default" in shape else ""
    return _type(shape), default, _limits(shape)


def _value(shape: Json) -> str:
    return ", ".join(filter(None, (_type(shape), _limits(shape))))


def _type(shape: Json) -> str:
    if "$ref" in shape:
        return str(shape["$ref"]).rpartition("/")[2]
    for word in ("anyOf", "oneOf"):
        if word in shape:
            return " or ".join(dict.fromkeys(_type(part) for part in shape[word]))
    if "enum" in shape or "const" in shape:
        return ", ".join(f"`{value}`" for value in shape.get("enum", [shape.get("const")]))
    kinds = shape.get("type", "anything")
    named = [kinds] if isinstance(kinds, str) else kinds
    return " or ".join(_container(kind, shape) for kind in named)


def _container(kind: str, shape: Json) -> str:
    if kind == "array":
        return f"array of {_type(shape.get('items', {}))}"
    values = shape.get("additionalProperties")
    if kind == "object" and isinstance(values, dict) and values:
        return f"object of {_type(values)}"
    return "bytes" if shape.get("format") == "binary" or "contentMediaType" in shape else kind


def _limits(shape: Json) -> str:
    # Of `string or null` the limits stand in the string.
    parts = [shape, *(part for part in shape.get("anyOf", ()) if part.get("type") != "null")]
    return ", ".join(f"{word} {part[name]:,}" for part in parts for name, word in _LIMITS.items() if name in part)


def _component(reference: str) -> Json:
    found: Json = description()
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found
