"""Limits as the commands take and show them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Annotated, Any

import typer

from ragstone.access.limits import LEAST_COST, MOST_COST, MOST_REQUESTS, MOST_REQUESTS_PER_MINUTE, MOST_TOKENS
from ragstone.cli.administration import print_json, print_table, seconds_of, shown
from ragstone.domain import LIMITS, SpendingLimits, Standing
from ragstone.errors import InvalidRequestError

UNLIMITED = SpendingLimits()

_PANEL = "Limits"
_MEASURES: dict[str, tuple[type, float, float, str]] = {
    "requests": (int, 1, MOST_REQUESTS, "Requests in a {window}."),
    "tokens": (int, 1, MOST_TOKENS, "Tokens that language models read and write in a {window}."),
    "cost": (float, LEAST_COST, MOST_COST, "What these may cost in a {window}, in the currency of the models' prices."),
}

Lifted = Annotated[
    list[str] | None,
    typer.Option(
        "--lift",
        metavar="NAME",
        help="Let there be no such limit, such as tokens-per-day; all for no limits at all. Can be repeated.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]


def with_limits(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each limit, in place of its one parameter that is to have them all."""
    signature = inspect.signature(command, eval_str=True)
    (limits,) = (one for one in signature.parameters.values() if one.annotation is SpendingLimits)
    options = [limits.replace(name=name, annotation=_option(name), default=None) for name in LIMITS]
    parameters = [part for one in signature.parameters.values() for part in (options if one is limits else (one,))]

    @wraps(command)
    def taking_options(**given: object) -> None:
        amounts: dict[str, Any] = {name: given.pop(name) for name in LIMITS}
        command(**given, **{limits.name: SpendingLimits(**amounts)})

    taking_options.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # typer's view
    return taking_options


def _option(name: str) -> object:
    measure, _, window = name.split("_")
    kind, least, most, help_ = _MEASURES[measure]
    if name == "requests_per_minute":
        most = MOST_REQUESTS_PER_MINUTE
    words = help_.format(window=window)
    option = typer.Option(min=least, max=most, help=words, show_default=False, rich_help_panel=_PANEL)
    return Annotated[kind | None, option]


def changes_of(given: SpendingLimits, lifted: Sequence[str] | None) -> dict[str, float | None]:
    """What is to change, by the names of limits.

    Raises:
        InvalidRequestError: Something is to be lifted that is no limit.
    """
    names = [name.strip().replace("-", "_") for name in lifted or ()]
    for name in names:
        if name not in (*LIMITS, "all"):
            raise InvalidRequestError(
                f"There is no limit {name!r}", remedy="`ragstone keys limits --help` names them, or write all"
            )
    gone = LIMITS if "all" in names else names
    return {**dict.fromkeys(gone), **given.given}


def print_limits(name: str, standings: Sequence[Standing], *, as_json: bool) -> None:
    """The limits of a key or a tenant, with how much of each is used."""
    if as_json:
        print_json(
            {
                "id": name,
                "limits": [
                    {"name": one.name, "most": one.most, "used": one.used, "renews_at": seconds_of(one.renews_at)}
                    for one in standings
                ],
            }
        )
        return
    print_table(
        ("limit", "most", "used", "renews at"),
        [(one.name.replace("_", " "), f"{one.most:,}", f"{one.used:,}", shown(one.renews_at)) for one in standings],
    )
