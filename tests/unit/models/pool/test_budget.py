from __future__ import annotations

from ragstone.models.pool.budget import PerMinute, RetryBudget
from ragstone.settings.models import Pool


def test_without_a_limit_everything_fits() -> None:
    budget = PerMinute(None)
    assert budget.reserve(10**9, 0.0) is None
    assert budget.when(10**9, 0.0) == 0.0


def test_what_does_not_fit_any_more_fits_when_enough_of_it_is_a_minute_old() -> None:
    budget = PerMinute(10)
    budget.reserve(4, 0.0)
    budget.reserve(4, 20.0)
    assert budget.when(2, 30.0) == 30.0
    assert budget.when(3, 30.0) == 60.0
    assert budget.when(7, 30.0) == 80.0
    assert budget.when(6, 60.0) == 60.0
    assert budget.when(7, 60.0) == 80.0


def test_no_sixty_seconds_see_more_than_the_limit() -> None:
    budget = PerMinute(5)
    sent: list[float] = []
    for step in range(2000):
        now = step * 0.1
        if budget.when(1, now) <= now:
            budget.reserve(1, now)
            sent.append(now)
    assert all(sum(start <= at < start + 60 for at in sent) <= 5 for start in sent)
    assert len(sent) == 20


def test_what_was_settled_counts_instead_of_what_was_reserved() -> None:
    budget = PerMinute(100)
    spent = budget.reserve(90, 0.0)
    assert budget.when(50, 1.0) == 60.0
    budget.settle(spent, 20, 2.0)
    assert budget.when(80, 3.0) == 3.0
    assert budget.when(81, 3.0) == 60.0


def test_what_is_settled_after_its_minute_changes_nothing() -> None:
    budget = PerMinute(100)
    spent = budget.reserve(90, 0.0)
    budget.settle(spent, 10**6, 61.0)
    assert budget.when(100, 61.0) == 61.0


def test_what_is_above_the_limit_by_itself_fits_into_an_empty_minute() -> None:
    budget = PerMinute(100)
    assert budget.when(500, 0.0) == 0.0
    budget.reserve(500, 0.0)
    assert budget.when(1, 1.0) == 60.0
    assert budget.when(1, 60.0) == 60.0


def test_more_that_was_spent_than_reserved_is_waited_for() -> None:
    budget = PerMinute(100)
    budget.settle(budget.reserve(10, 0.0), 300, 1.0)
    assert budget.when(1, 2.0) == 60.0


def paid(budget: RetryBudget) -> int:
    count = 0
    while budget.pay():
        count += 1
    return count


def test_further_attempts_are_a_share_of_the_requests_and_a_reserve() -> None:
    budget = RetryBudget(Pool(retry_ratio=0.25, retry_reserve=2))
    assert paid(budget) == 2
    for _ in range(8):
        budget.earn()
    assert paid(budget) == 2


def test_attempts_that_were_not_made_are_given_back() -> None:
    budget = RetryBudget(Pool(retry_ratio=0, retry_reserve=1))
    assert budget.pay()
    budget.refund()
    budget.refund()
    assert paid(budget) == 1


def test_no_more_is_saved_up_than_a_thousand_requests_earn() -> None:
    budget = RetryBudget(Pool(retry_ratio=0.5, retry_reserve=1))
    for _ in range(5000):
        budget.earn()
    assert paid(budget) == 501
