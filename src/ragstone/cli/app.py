"""The commands, and how errors leave the program."""

from __future__ import annotations

import io
import logging
import sys
import traceback
from typing import Annotated

import typer
from rich.console import Console

from ragstone import __version__
from ragstone.cli import ask, audit, ingest, inspect, keys, models, serve, tenants, usage, users, work
from ragstone.errors import (
    DatabaseError,
    InvalidRequestError,
    ModelError,
    ModelUnavailableError,
    NotFoundError,
    RagstoneError,
    SettingsError,
)

# Documented in docs/reference/command-line.md.
SOME_FAILED = 1
WRONG_USE = 2
UNAVAILABLE = 3

_EPILOG = (
    "First steps:  ragstone ingest ~/documents  ·  ragstone ask 'How do I rotate a key?'  ·  ragstone serve\n\n"
    "Data lies in RAGSTONE_HOME; `ragstone config` shows every setting, `ragstone doctor` what is wrong."
)

app = typer.Typer(
    name="ragstone",
    help="Answers from your own documents, with citations that can be checked.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.command("ingest")(ingest.ingest)
app.command("search")(ask.search)
app.command("ask")(ask.ask)
app.command("serve")(serve.serve)
app.command("worker")(work.worker)
app.command("requeue")(work.requeue)
app.add_typer(tenants.app, name="tenants")
app.add_typer(keys.app, name="keys")
app.add_typer(users.app, name="users")
app.command("audit")(audit.audit)
app.command("usage")(usage.usage)
app.command("models")(models.models)
app.command("status")(inspect.status)
app.command("doctor")(inspect.doctor)
app.command("config")(inspect.config)


def _version(show: bool) -> None:
    if show:
        print(__version__)  # noqa: T201
        raise typer.Exit


@app.callback()
def ragstone(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Answers from your own documents, with citations that can be checked."""


def main() -> None:
    """Run a command and exit with a status that scripts can read."""
    logging.getLogger("ragstone").addHandler(logging.NullHandler())
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Into a pipe, whole blocks would be written: what was printed first would come behind the notes on stderr.
        # And what a terminal's encoding has no sign for, a quotation mark mostly, is no reason to say nothing.
        sys.stdout.reconfigure(line_buffering=True, errors="replace")
    try:
        app()
    except RagstoneError as error:
        report(error)
        sys.exit(exit_status(error))
    except Exception:  # noqa: BLE001  the outermost loop of the program
        traceback.print_exc()
        _say("This is a defect of Ragstone; please report it with the lines above.")
        sys.exit(UNAVAILABLE)


def exit_status(error: RagstoneError) -> int:
    """The exit status for an error that ends a command."""
    if isinstance(error, SettingsError | NotFoundError | InvalidRequestError):
        return WRONG_USE
    return UNAVAILABLE if isinstance(error, DatabaseError | ModelError | ModelUnavailableError) else SOME_FAILED


def report(error: RagstoneError) -> None:
    """Say what happened, why, and what to do next."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    why = f": {error.why}" if error.why else ""
    console.print("[bold red]error[/] ", end="")
    console.print(f"{error.what}{why}", markup=False)
    if error.remedy:
        console.print("   [bold]try[/] ", end="")
        console.print(error.remedy, markup=False)


def _say(line: str) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(line, markup=False)
