"""What commands have in common: options, and how their texts are read."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Coroutine, Sequence
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from ragstone.domain import AttributeValue, Comparison, Compound, Condition, Filter
from ragstone.settings import Settings, load

T = TypeVar("T")

INTERRUPTED = 130  # exit status, as a shell's own for SIGINT

StoreOption = Annotated[
    str | None, typer.Option("--store", "-s", help="Store by name or id; the setting `store` is the default.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, for scripts.")]

out = Console(highlight=False, soft_wrap=True)
notes = Console(stderr=True, highlight=False, soft_wrap=True)

_COMPARISONS = {
    "=": Comparison.EQ,
    "!=": Comparison.NE,
    ">": Comparison.GT,
    ">=": Comparison.GTE,
    "<": Comparison.LT,
    "<=": Comparison.LTE,
}
_CONTROLS = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)), "\N{REPLACEMENT CHARACTER}")
_CONDITION = re.compile(r"([^=!<>]+)(!=|>=|<=|=|>|<)(.*)", re.DOTALL)


def settings() -> Settings:
    """The settings in force."""
    return load().settings


def harmless(text: str) -> str:
    """Text of documents and names of files, without what would make a terminal do something."""
    return text.translate(_CONTROLS)


def log_to_stderr(*, tasks: bool) -> None:
    """Let what happens in a program that goes on and on be seen there; with a line for each of its tasks, or not."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s  %(levelname)-7s  %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("ragstone")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logging.getLogger("ragstone.worker").setLevel(logging.INFO if tasks else logging.WARNING)


def run(command: Coroutine[object, object, T]) -> T:
    """Run a command's coroutine; an interruption ends it in order."""
    try:
        return asyncio.run(command)
    except KeyboardInterrupt:
        notes.print("Interrupted; what was confirmed is stored.")
        raise typer.Exit(INTERRUPTED) from None


def filter_of(conditions: Sequence[str]) -> Filter | None:
    """All of `key=value`, `key>=value` and the like; None for no condition."""
    parts = tuple(_condition(text) for text in conditions)
    return parts[0] if len(parts) == 1 else Compound(every=True, filters=parts) if parts else None


def attributes_of(pairs: Sequence[str]) -> dict[str, AttributeValue]:
    """Attributes out of `key=value`."""
    return dict(_pair(text) for text in pairs)


def _condition(text: str) -> Condition:
    match = _CONDITION.fullmatch(text)
    if not match:
        raise typer.BadParameter(f"{text!r} is no condition; write key=value, or one of != > >= < <=")
    key, comparison, value = match.groups()
    return Condition(_COMPARISONS[comparison], key.strip(), _value(value))


def _pair(text: str) -> tuple[str, AttributeValue]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise typer.BadParameter(f"{text!r} is no attribute; write key=value")
    return key.strip(), _value(value)


def _value(text: str) -> AttributeValue:
    """A number or a truth value if it is written as one in JSON, else the text itself."""
    try:
        value = json.loads(text)
    except ValueError:
        return text.strip()
    return value if isinstance(value, bool | int | float) else text.strip()
