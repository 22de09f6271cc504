from __future__ import annotations

import pytest

from ragstone.models.pool.breaker import Breaker
from ragstone.settings.models import Pool

POOL = Pool(failures_to_open=3, open_seconds=4.0, open_seconds_most=10.0)


def breaker(draw: float = 1.0) -> Breaker:
    """With a `draw` of 1 it stays open for the longest time."""
    return Breaker(POOL, lambda: draw)


def opened(at: float = 0.0) -> Breaker:
    one = breaker()
    for _ in range(3):
        one.failed(one.begin(), at)
    return one


def probed(one: Breaker, now: float) -> float:
    """Fail once more; returns for how long it stays open then."""
    one.failed(one.begin(), now)
    assert one.until is not None
    return one.until - now


def test_a_member_that_fails_three_times_in_a_row_is_left_alone() -> None:
    one = breaker()
    for _ in range(2):
        one.failed(one.begin(), 0.0)
    assert one.admits(0.0)
    one.failed(one.begin(), 0.0)
    assert not one.admits(0.0)


def test_an_answer_in_between_lets_the_count_begin_again() -> None:
    one = breaker()
    for _ in range(5):
        one.failed(one.begin(), 0.0)
        one.failed(one.begin(), 0.0)
        one.succeeded(one.begin())
    assert one.admits(0.0)


def test_exactly_one_request_finds_out_whether_it_works_again() -> None:
    one = opened()
    assert one.until == pytest.approx(4.0)
    assert not one.admits(3.99)
    assert one.admits(4.0)
    phase = one.begin()
    assert not one.admits(4.0)
    assert not one.admits(1000.0)
    one.alive(phase)
    assert one.admits(4.1)


def test_it_stays_alone_twice_as_long_each_time_that_it_fails_again_up_to_a_limit() -> None:
    one = opened()
    assert [probed(one, 100.0), probed(one, 200.0), probed(one, 300.0)] == pytest.approx([8.0, 10.0, 10.0])


def test_an_answer_makes_the_next_time_short_again() -> None:
    one = opened()
    probed(one, 100.0)
    one.succeeded(one.begin())
    for _ in range(3):
        one.failed(one.begin(), 500.0)
    assert one.until == pytest.approx(504.0)


def test_replicas_do_not_find_out_at_the_same_moment() -> None:
    times = []
    for draw in (0.0, 0.5, 1.0):
        one = breaker(draw)
        for _ in range(3):
            one.failed(one.begin(), 0.0)
        times.append(one.until)
    assert times == pytest.approx([4.0 * 0.75 + 4.0 * 0.25 * draw for draw in (0.0, 0.5, 1.0)])


def test_one_that_only_begins_its_answers_is_left_alone_again_at_the_next_break() -> None:
    one = opened()
    phase = one.begin()
    one.alive(phase)
    assert one.admits(4.0)
    one.failed(phase, 5.0)
    assert not one.admits(5.0)


def test_a_request_that_is_called_off_leaves_the_finding_out_to_the_next() -> None:
    one = opened()
    one.called_off(one.begin())
    assert one.admits(4.0)


def test_stragglers_of_an_outage_do_not_speak_against_a_member_that_has_come_back() -> None:
    one = breaker()
    old = [one.begin() for _ in range(10)]
    for phase in old[:3]:
        one.failed(phase, 0.0)
    one.succeeded(one.begin())
    for phase in old[3:]:
        one.failed(phase, 5.0)
    assert one.admits(5.0)
    assert one.failures == 0


def test_stragglers_of_better_times_do_not_speak_for_a_member_that_has_failed_since() -> None:
    one = breaker()
    old = one.begin()
    for _ in range(3):
        one.failed(one.begin(), 0.0)
    one.alive(old)
    one.succeeded(old)
    assert not one.admits(1.0)


def test_a_straggler_that_is_called_off_is_not_the_one_that_finds_out() -> None:
    one = breaker()
    old = one.begin()
    for _ in range(3):
        one.failed(one.begin(), 0.0)
    one.begin()
    one.called_off(old)
    assert not one.admits(100.0)


def test_a_member_whose_server_does_not_know_the_key_is_left_alone_at_once() -> None:
    one = breaker()
    one.misconfigured(one.begin(), 0.0, "unauthorized")
    assert not one.admits(0.0)
    assert one.reason == "unauthorized"
    one.succeeded(one.begin())
    assert one.reason is None


def test_what_was_sent_with_the_former_key_says_nothing_about_the_new_one() -> None:
    one = breaker()
    phase = one.begin()
    one.misconfigured(phase, 0.0, "unauthorized")
    old = one.begin()
    one.renewed()
    one.misconfigured(old, 0.0, "unauthorized")
    assert one.admits(0.0)
    assert one.reason is None
