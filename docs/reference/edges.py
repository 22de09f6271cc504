"""What the command line, HTTP and the errors say of themselves."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any, cast

import typer
from fastapi import FastAPI
from tables import table

from ragstone import errors
from ragstone.api import faults
from ragstone.api.app import create_app
from ragstone.bootstrap import House
from ragstone.cli.app import app, exit_status
from ragstone.errors import FileSkippedError, RagstoneError, UnreadableFileError


def commands() -> str:
    """Every command with its arguments and options."""
    group = cast("Any", typer.main.get_command(app))
    with group.make_context("ragstone", [], resilient_parsing=True) as above:
        return "\n\n".join(_command(name, group.get_command(above, name), above) for name in group.list_commands(above))


def _command(name: str, command: Any, above: Any) -> str:  # noqa: ANN401  typer's copy of click has no public types
    context = command.make_context(name, [], parent=above, resilient_parsing=True)
    usage = " ".join(["ragstone", name, *command.collect_usage_pieces(context)])
    records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    listed = [f"- `{names}`: {_sentence(words)}" for names, words in filter(None, records)]
    return "\n\n".join((f"## ragstone {name}", f"`{usage}`", inspect.cleandoc(command.help), "\n".join(listed)))


def _sentence(words: str) -> str:
    """Help with its notes such as [required] behind the words, and a default without the brackets around it."""
    return re.sub(r"\[default: \((.*?)\)", r"[default: \1", re.sub(r"\s{2,}", " ", words))


def routes() -> str:
    """Every route with its purpose."""
    rows = [
        (f"`{method.upper()} {path}`", str(operation["description"]))
        for path, operations in _openapi()["paths"].items()
        for method, operation in operations.items()
    ]
    return table(("Route", "Purpose"), rows)


def requests() -> str:
    """Every field of every body that the service reads."""
    schemas = _openapi()["components"]["schemas"]
    shown = (name for name in schemas if "ValidationError" not in name)  # the service answers in a shape of its own
    return "\n\n".join(_schema(name, schemas[name]) for name in shown)


def _openapi() -> dict[str, Any]:
    service: FastAPI = create_app(cast("House", None))  # routes are listed, none is called
    return service.openapi()


def _schema(name: str, schema: dict[str, Any]) -> str:
    content = _fields(schema) if "properties" in schema else f"One of {_type(schema)}."
    return f"### {name}\n\n{schema['description']}\n\n{content}"


def _fields(schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    rows = [
        (
            f"`{field}`",
            _type(shape),
            "required" if field in required else f"`{json.dumps(shape.get('default'))}`",
            _bounds(shape),
        )
        for field, shape in schema["properties"].items()
    ]
    return table(("Field", "Type", "Default", "Limits"), rows)


def _type(shape: dict[str, Any]) -> str:
    if "$ref" in shape:
        return str(shape["$ref"]).rpartition("/")[2]
    if "anyOf" in shape:
        return " or ".join(dict.fromkeys(_type(part) for part in shape["anyOf"]))
    if "enum" in shape or "const" in shape:
        return ", ".join(f"`{value}`" for value in shape.get("enum", [shape.get("const")]))
    kind = str(shape["type"])
    return f"array of {_type(shape['items'])}" if kind == "array" else kind


def _bounds(shape: dict[str, Any]) -> str:
    words = {
        "minimum": "at least",
        "maximum": "at most",
        "minItems": "items: at least",
        "maxItems": "items: at most",
        "minLength": "characters: at least",
    }
    return ", ".join(f"{word} {shape[name]:g}" for name, word in words.items() if name in shape)


def error_classes() -> str:
    """Every class of errors with what it means at both edges."""
    rows = [
        (f"`{kind.__name__}`", inspect.getdoc(kind) or "", *_meaning(kind))
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, RagstoneError) and kind is not RagstoneError
    ]
    return table(("Class", "Meaning", "Exit status", "HTTP status", "HTTP code"), rows)


def _meaning(kind: type[RagstoneError]) -> tuple[str, str, str]:
    if kind in (UnreadableFileError, FileSkippedError):
        return "1, when all files are done", "", ""
    known = faults._KINDS  # noqa: SLF001  the one place that says it
    status, code = next((str(status), code) for cls, status, _, code in known if issubclass(kind, cls))
    return str(exit_status(kind(""))), status, f"`{code}`"
