"""Writes the parts of the reference that the program itself knows.

    python docs/reference/generate.py           write them
    python docs/reference/generate.py --check   exit with 1 and name the pages that are stale

A generated part stands between `<!-- generated: NAME -->` and `<!-- end of NAME -->` in its page; what stands around
it is written by hand.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import typer
from fastapi import FastAPI

from ragstone import errors
from ragstone.api import faults
from ragstone.api.app import create_app
from ragstone.bootstrap import House
from ragstone.cli.app import app, exit_status
from ragstone.errors import FileSkippedError, RagstoneError, UnreadableFileError
from ragstone.ingest.read import kinds
from ragstone.ingest.read.mail import read_mail
from ragstone.ingest.read.registry import READERS
from ragstone.settings import PREFIX, Settings

FOLDER = Path(__file__).resolve().parent


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


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
    """Help with its notes such as [required] behind the words."""
    return re.sub(r"\s+\[default: \((.*)\)\]$", r" [default: \1]", re.sub(r"\s{2,}", " ", words))


def settings() -> str:
    """Every setting with its default, limits and purpose."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = "see below" if field.default_factory else "" if field.default is None else str(field.default)
        limits = ", ".join(filter(None, map(_limit, field.metadata)))
        rows.append((f"`{PREFIX}{name.upper()}`", f"`{name}`", default, limits, field.description or ""))
    return table(("Variable", "In the file", "Default", "Limits", "Purpose"), rows)


def _limit(bound: object) -> str:
    words = {"ge": "at least", "le": "at most", "min_length": "characters: at least"}
    return next((f"{word} {getattr(bound, name)}" for name, word in words.items() if hasattr(bound, name)), "")


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
    shown = (name for name in schemas if "ValidationError" not in name and "properties" in schemas[name])
    return "\n\n".join(_fields(name, schemas[name]) for name in shown)


def _openapi() -> dict[str, Any]:
    service: FastAPI = create_app(cast("House", None))  # routes are listed, none is called
    return service.openapi()


def _fields(name: str, schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    rows = [
        (
            f"`{field}`",
            _type(shape),
            "required" if field in required else f"`{_shown(shape.get('default'))}`",
            _bounds(shape),
        )
        for field, shape in schema["properties"].items()
    ]
    return f"### {name}\n\n{schema['description']}\n\n" + table(("Field", "Type", "Default", "Limits"), rows)


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


def _shown(value: object) -> str:
    return {None: "null", True: "true", False: "false"}.get(value, str(value)) if value != [] else "[]"


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


def formats() -> str:
    """Every format with its extensions and what is read of it."""
    rows = [
        (", ".join(f"`{end}`" for end, of in kinds.EXTENSIONS.items() if of is kind), _first_line(reader))
        for kind, reader in {**READERS, kinds.Kind.MAIL: read_mail}.items()
    ]
    return table(("Extensions", "What is read"), rows)


def legacy() -> str:
    """Every format that is refused, with what to save it as."""
    known = kinds._LEGACY  # noqa: SLF001  the one place that says it
    targets = dict.fromkeys(known.values())
    rows = [(", ".join(f"`{end}`" for end, of in known.items() if of == target), target) for target in targets]
    return table(("Extensions", "Save it as"), rows)


def _first_line(function: object) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


PARTS: dict[str, Sequence[tuple[str, Callable[[], str]]]] = {
    "command-line.md": (("commands", commands),),
    "settings.md": (("settings", settings),),
    "http.md": (("routes", routes), ("requests", requests)),
    "exit-codes-and-errors.md": (("errors", error_classes),),
    "file-formats.md": (("formats", formats), ("legacy formats", legacy)),
}


def pages() -> Iterator[tuple[Path, str, str]]:
    """Each page with its present text and the text that it should have."""
    for name, parts in PARTS.items():
        page = FOLDER / name
        present = wanted = page.read_text(encoding="utf-8")
        for part, write in parts:
            start, end = f"<!-- generated: {part} -->\n", f"\n<!-- end of {part} -->"
            before, _, rest = wanted.partition(start)
            _, found, after = rest.partition(end)
            if not found:
                sys.exit(f"{page} has no place for the part {part!r}")
            wanted = f"{before}{start}\n{write()}\n{end}{after}"
        yield page, present, wanted


def main() -> int:
    """Write or check every page; the exit code is 1 when a checked page is stale."""
    stale = [(page, wanted) for page, present, wanted in pages() if present != wanted]
    if sys.argv[1:] == ["--check"]:
        for page, _ in stale:
            sys.stderr.write(f"{page.name} is stale: run python docs/reference/generate.py\n")
        return int(bool(stale))
    for page, wanted in stale:
        page.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
