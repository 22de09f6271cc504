"""What the command line and the errors say of themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any, cast

import typer
from tables import table

from ragstone import errors
from ragstone.api import faults
from ragstone.cli.app import app, exit_status
from ragstone.errors import FileSkippedError, RagstoneError, UnreadableFileError


def commands() -> str:
    """Every command with its arguments and options."""
    group = cast("Any", typer.main.get_command(app))
    with group.make_context("ragstone", [], resilient_parsing=True) as context:
        return "\n\n".join(_commands("ragstone", group, context))


def _commands(path: str, group: Any, above: Any) -> Iterator[str]:  # noqa: ANN401  typer's copy of click has no types
    for name in group.list_commands(above):
        command = group.get_command(above, name)
        context = command.make_context(name, [], parent=above, resilient_parsing=True)
        if hasattr(command, "list_commands"):
            yield from _commands(f"{path} {name}", command, context)
        else:
            yield _command(f"{path} {name}", command, context)


def _command(path: str, command: Any, context: Any) -> str:  # noqa: ANN401
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    listed = [f"- `{names}`: {_sentence(words)}" for names, words in filter(None, records)]
    return "\n\n".join((f"## {path}", f"`{usage}`", inspect.cleandoc(command.help), "\n".join(listed)))


def _sentence(words: str) -> str:
    """Help with its notes such as [required] behind the words, and a default without the brackets around it."""
    return re.sub(r"\[default: \((.*?)\)", r"[default: \1", re.sub(r"\s{2,}", " ", words))


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
