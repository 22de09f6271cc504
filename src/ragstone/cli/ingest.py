"""`ragstone ingest`: files and folders into a store."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from ragstone import bootstrap
from ragstone.access.askers import is_principal
from ragstone.cli.arguments import JsonOption, StoreOption, attributes_of, harmless, notes, out, run, settings
from ragstone.domain import Attributes
from ragstone.ingest.report import Report
from ragstone.settings import Settings

_SHOWN = 20  # failures in the table; --json has them all


def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders.", show_default=False)],
    store: StoreOption = None,
    attribute: Annotated[
        list[str] | None, typer.Option("--attribute", "-a", help="key=value for every document, to filter by later.")
    ] = None,
    reader: Annotated[
        list[str] | None,
        typer.Option(
            "--reader",
            help="Who may read the documents, such as user:alice or group:hr; without it who may already, and "
            "everybody in the tenant if they are new.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read files and folders into a store.

    Unchanged files are skipped, changed ones replaced, and files that vanished from a folder are removed from the
    store. A file that cannot be read is reported with its reason; the others go on, and the exit status is 1.
    """
    given = settings()
    wanted = _Wanted(store or given.store, attributes_of(attribute or []), _readers(reader))
    report = run(_ingest(given, paths, wanted, quiet=as_json))
    if as_json:
        print(json.dumps(_as_json(report)))  # noqa: T201
    else:
        _print(report, store or given.store)
    if report.failed:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the documents are to be."""

    store: str
    attributes: Attributes
    readers: tuple[str, ...] | None


def _readers(given: Sequence[str] | None) -> tuple[str, ...] | None:
    for reader in given or ():
        if not is_principal(reader):
            raise typer.BadParameter(f"{reader!r} is nobody; write user:NAME or group:NAME")
    return tuple(given) if given else None


async def _ingest(given: Settings, paths: Sequence[Path], wanted: _Wanted, *, quiet: bool) -> Report:
    report = Report()
    async with (
        bootstrap.open_house(given) as house,
        bootstrap.open_ingestion(
            house, await house.own_session(), wanted.store, wanted.attributes, wanted.readers
        ) as ingestion,
        _progress(report, quiet=quiet),
    ):
        await ingestion.run(paths, report)
    return report


class _Speed(ProgressColumn):
    """Chunks a second."""

    def render(self, task: Task) -> Text:
        elapsed = task.finished_time or task.elapsed or 0
        chunks: int = task.fields["report"].chunks
        return Text(f"{chunks / elapsed:,.0f} chunks/s" if elapsed > 1 and chunks else "", style="cyan")


@asynccontextmanager
async def _progress(report: Report, *, quiet: bool) -> AsyncIterator[None]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("files"),
        _Speed(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=notes, disable=quiet or not notes.is_terminal) as progress:
        task = progress.add_task("Reading", total=None, report=report)
        watcher = asyncio.create_task(_watch(progress, task, report))
        try:
            yield
        finally:
            watcher.cancel()
            progress.update(task, total=report.files, completed=report.done)


async def _watch(progress: Progress, task: TaskID, report: Report) -> None:
    while True:
        progress.update(task, total=report.files or None, completed=report.done)
        await asyncio.sleep(0.1)


def _print(report: Report, store: str) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name in ("added", "replaced", "unchanged", "removed"):
        count: int = getattr(report, name)
        table.add_row(name, f"{count:,}")
    if report.skipped:
        kinds = ", ".join(f"{count:,} {extension}" for extension, count in report.skipped.most_common(8))
        table.add_row("skipped", f"{report.skipped.total():,}", Text(f"of a kind that is not read: {kinds}", "dim"))
    table.add_row("[red]failed[/]" if report.failed else "failed", f"{len(report.failed):,}")
    out.print(table)
    for file, warning in report.warnings[:_SHOWN]:
        out.print(Text.assemble(("note   ", "yellow"), harmless(f"{file}: {warning}")))
    for _, error in report.failed[:_SHOWN]:
        out.print(Text.assemble(("failed ", "red"), harmless(str(error))))
    hidden = max(0, len(report.failed) - _SHOWN) + max(0, len(report.warnings) - _SHOWN)
    if hidden:
        out.print(f"and {hidden:,} more; --json lists them all")
    if report.done > len(report.failed):
        out.print(Text(f"Ask it: ragstone ask --store {shlex.quote(store)} 'your question'", style="dim"))


def _as_json(report: Report) -> dict[str, object]:
    return {
        "files": report.files,
        "added": report.added,
        "replaced": report.replaced,
        "unchanged": report.unchanged,
        "removed": report.removed,
        "skipped": dict(report.skipped),
        "chunks": report.chunks,
        "failed": [{"source": source, "what": e.what, "why": e.why, "remedy": e.remedy} for source, e in report.failed],
        "warnings": [{"file": file, "warning": warning} for file, warning in report.warnings],
    }
