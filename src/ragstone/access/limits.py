"""Limits on what may be spent: how they are called, and what is said when one is reached."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from math import ceil

from ragstone.domain import SpendingLimits, Standing
from ragstone.errors import PermissionDeniedError, RateLimitedError

MOST_REQUESTS_PER_MINUTE = 10**6
MOST_REQUESTS = 10**9
MOST_TOKENS = 10**12
MOST_COST = 10**9  # in the currency of the models' prices
LEAST_COST = 1e-6  # of it: what money is counted in

_SOON = 5  # seconds in which an answer may have ended
_LONGEST_WAIT = 3600  # seconds that a client is told to wait: limits are raised before months end


@dataclass(frozen=True, slots=True)
class Reached:
    """A limit that is used up, or would be passed."""

    whose: str  # key or tenant
    standing: Standing
    wait_seconds: float  # until another attempt may have success
    held: float = 0  # of what is used: reserved for answers that are being made, which may take less

    def refusal(self, more: float = 1) -> RateLimitedError:
        """What whoever asks is told; `more` is what could not be spent."""
        now = self.standing
        limit = f"The {self.whose}'s limit of {in_words(now.name, now.most)}"
        retry_after = min(max(ceil(self.wait_seconds), 1), _LONGEST_WAIT)
        if now.name == "requests_per_minute":
            return RateLimitedError(
                f"{limit} is used up", remedy=f"Try again in {retry_after} s", retry_after=retry_after
            )
        if more > now.most:
            return RateLimitedError(
                f"{limit} is too low for this",
                why=f"an answer may take {_number(now.name, more)}",
                remedy="Ask for a shorter answer, or let the limit be raised",
                retry_after=_LONGEST_WAIT,
            )
        remedy = f"It is renewed at {now.renews_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        if now.used - self.held + more <= now.most:
            retry_after = min(retry_after, _SOON)
            remedy = f"Try again when answers that are being made have ended. {remedy}"
        left = now.used < now.most
        wanted = f" and an answer may take {_number(now.name, more)}" if left else ""
        return RateLimitedError(
            f"{limit} {'would be passed' if left else 'is used up'}",
            why=f"{_number(now.name, now.used)} are used{wanted}",
            remedy=remedy,
            retry_after=retry_after,
        )


def in_words(name: str, value: float) -> str:
    """A limit for people, such as `100,000 tokens per day`."""
    measure, _, window = name.partition("_per_")
    return f"{_number(name, value)} {'in cost' if measure == 'cost' else measure} per {window}"


def summary(limits: SpendingLimits) -> str:
    """All limits in a line; empty for none."""
    return ", ".join(in_words(name, value) for name, value in limits.given.items())


def check_limits(own: SpendingLimits, wanted: SpendingLimits) -> None:
    """Let limits be given to a key by somebody whose own key has limits only if they are no higher than these.

    Raises:
        PermissionDeniedError: They are.
    """
    for name, most in own.given.items():
        if wanted.given.get(name, float("inf")) > most:
            raise PermissionDeniedError(
                f"You cannot give away more than {in_words(name, most)}",
                why="that is the limit of your own key",
                remedy=f"Set {name} to as much or less",
            )


def _number(name: str, value: float) -> str:
    if not name.startswith("cost"):
        return f"{int(value):,}"
    whole, _, part = f"{value:,.6f}".partition(".")
    part = part.rstrip("0")
    return f"{whole}.{part:0<2}" if part else whole
