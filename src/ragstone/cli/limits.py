"""Limits as the commands take and show them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from ragstone.access.limits import LEAST_COST, MOST_COST, MOST_REQUESTS, MOST_REQUESTS_PER_MINUTE, MOST_TOKENS
from ragstone.cli.administration import print_json, print_table, seconds_of, shown
from ragstone.domain import LIMITS, SpendingLimits, Standing
from ragstone.errors import InvalidRequestError

_PANEL = "Limits"


def _requests(window: str, most: int = MOST_REQUESTS) -> object:
    return typer.Option(min=1, max=most, help=f"Requests in a {window}.", show_default=False, rich_help_panel=_PANEL)


def _tokens(window: str) -> object:
    words = f"Tokens that language models read and write in a {window}."
    return typer.Option(min=1, max=MOST_TOKENS, help=words, show_default=False, rich_help_panel=_PANEL)


def _cost(window: str) -> object:
    words = f"What these may cost in a {window}, in the currency of the models' prices."
    return typer.Option(min=LEAST_COST, max=MOST_COST, help=words, show_default=False, rich_help_panel=_PANEL)


RequestsPerMinute = Annotated[int | None, _requests("minute", MOST_REQUESTS_PER_MINUTE)]
RequestsPerDay = Annotated[int | None, _requests("day")]
RequestsPerMonth = Annotated[int | None, _requests("month")]
TokensPerMinute = Annotated[int | None, _tokens("minute")]
TokensPerDay = Annotated[int | None, _tokens("day")]
TokensPerMonth = Annotated[int | None, _tokens("month")]
CostPerMinute = Annotated[float | None, _cost("minute")]
CostPerDay = Annotated[float | None, _cost("day")]
CostPerMonth = Annotated[float | None, _cost("month")]
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
