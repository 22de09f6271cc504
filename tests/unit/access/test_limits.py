"""What is said when a limit is reached."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ragstone.access.limits import Reached, check_limits, in_words, summary
from ragstone.domain import LIMITS, SpendingLimits, Standing
from ragstone.errors import PermissionDeniedError

MIDNIGHT = datetime(2027, 1, 1, tzinfo=UTC)
RENEWED = "It is renewed at 2027-01-01 00:00 UTC"


def reached(name: str, most: float, used: float, wait: float = 30) -> Reached:
    return Reached("key", Standing(name, most, used, MIDNIGHT.astimezone(timezone(timedelta(hours=2)))), wait)


@pytest.mark.parametrize(
    ("name", "most", "used", "more", "words"),
    [
        (
            "tokens_per_day",
            10_000,
            9_000,
            4_024,
            (
                "The key's limit of 10,000 tokens per day would be passed: 9,000 are used and an answer may take 4,024."
                " It is renewed at 2027-01-01 00:00 UTC"
            ),
        ),
        (
            "cost_per_month",
            50,
            49.98,
            0.0405,
            (
                "The key's limit of 50 in cost per month would be passed: 49.98 are used and an answer may take 0.0405."
                " It is renewed at 2027-01-01 00:00 UTC"
            ),
        ),
        (
            "requests_per_day",
            3,
            3,
            1,
            "The key's limit of 3 requests per day is used up: 3 are used. It is renewed at 2027-01-01 00:00 UTC",
        ),
        (
            "requests_per_minute",
            600,
            600,
            1,
            "The key's limit of 600 requests per minute is used up. Try again in 30 s",
        ),
        ("tokens_per_day", 9, 10, 5, "The key's limit of 9 tokens per day is used up: 10 are used. " + RENEWED),
        (
            "tokens_per_minute",
            1000,
            0,
            4024,
            (
                "The key's limit of 1,000 tokens per minute is too low for this: an answer may take 4,024."
                " Ask for a shorter answer, or let the limit be raised"
            ),
        ),
    ],
)
def test_the_refusal_says_which_limit_how_much_is_used_and_what_to_do(
    name: str, most: float, used: float, more: float, words: str
) -> None:
    assert str(reached(name, most, used).refusal(more)) == words


@pytest.mark.parametrize(("wait", "told"), [(0.01, 1), (1.2, 2), (59, 59), (86_400 * 20, 3600)])
def test_the_time_to_wait_is_whole_seconds_and_an_hour_at_most(wait: float, told: int) -> None:
    assert reached("tokens_per_month", 10, 10, wait).refusal(1).retry_after == told


def test_what_may_be_free_again_soon_is_worth_another_attempt_soon() -> None:
    standing = Standing("tokens_per_day", 10_000, 8_048, MIDNIGHT)
    soon = Reached("tenant", standing, 30_000, held=4_024).refusal(4_024)
    assert soon.retry_after == 5
    assert soon.remedy == f"Try again when answers that are being made have ended. {RENEWED}"
    assert Reached("tenant", standing, 30_000, held=2_000).refusal(4_024).retry_after == 3600
    assert Reached("tenant", standing, 2.5, held=4_024).refusal(4_024).retry_after == 3


@pytest.mark.parametrize(
    ("value", "words"),
    [(50, "50"), (0.5, "0.50"), (12.345678, "12.345678"), (1234.5, "1,234.50"), (1e-6, "0.000001")],
)
def test_money_is_shown_to_the_millionth_and_not_beyond(value: float, words: str) -> None:
    assert in_words("cost_per_day", value) == f"{words} in cost per day"


def test_every_limit_can_be_given_and_named() -> None:
    given = {name: number + 1 for number, name in enumerate(LIMITS)}
    assert SpendingLimits.of(given).given == given
    assert len(summary(SpendingLimits.of(given)).split(", ")) == len(LIMITS)
    assert summary(SpendingLimits()) == ""


def test_who_has_no_limits_gives_any_away() -> None:
    check_limits(SpendingLimits(), SpendingLimits())
    check_limits(SpendingLimits(tokens_per_day=5), SpendingLimits(tokens_per_day=5, cost_per_day=1))
    with pytest.raises(PermissionDeniedError, match="more than 5 tokens per day"):
        check_limits(SpendingLimits(tokens_per_day=5), SpendingLimits(tokens_per_month=5))
