"""`ragstone models`: the pool of models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from ragstone import bootstrap
from ragstone.cli.administration import print_table
from ragstone.cli.arguments import JsonOption, out, run, settings
from ragstone.settings import Settings

if TYPE_CHECKING:
    from ragstone.models.pool.state import MemberCheck, MemberState

_HEADER = ("name", "kind", "model", "group", "weight", "answer")
_NONE = "No models: answers are in the documents' own words. Name one with RAGSTONE_LLM_URL, or some in a models.toml."


def models(
    check: Annotated[bool, typer.Option("--check", help="Ask each of them something cheap.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the model servers of the settings. With --check the exit status is 1 if one does not answer.

    What a running service knows of them is told by `GET /admin/models`.
    """
    states, checks = run(_models(settings(), check=check))
    told = {made.name: made for made in checks}
    if as_json:
        print(json.dumps([_as_json(state, told.get(state.name)) for state in states]))  # noqa: T201
    elif states:
        print_table(_HEADER if check else _HEADER[:-1], [_row(state, told.get(state.name)) for state in states])
    else:
        out.print(_NONE)
    if any(made.error for made in checks):
        raise typer.Exit(1)


async def _models(given: Settings, *, check: bool) -> tuple[list[MemberState], list[MemberCheck]]:
    pool = bootstrap.model_pool(given)
    try:
        return list(pool.state()), list(await pool.check()) if check else []
    finally:
        await pool.close()


def _row(state: MemberState, check: MemberCheck | None) -> tuple[str, ...]:
    known = (state.name, state.kind.value, state.model or "", str(state.group), f"{state.weight:g}")
    if check is None:
        return known
    return (*known, check.error or f"after {check.seconds * 1000:,.0f} ms")


def _as_json(state: MemberState, check: MemberCheck | None) -> dict[str, object]:
    known: dict[str, object] = {
        "name": state.name,
        "kind": state.kind.value,
        "model": state.model,
        "group": state.group,
        "weight": state.weight,
    }
    if check is None:
        return known
    return {**known, "ok": check.error is None, "seconds": round(check.seconds, 3), "error": check.error}
