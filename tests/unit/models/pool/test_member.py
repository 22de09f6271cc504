from __future__ import annotations

from pathlib import Path

import pytest
from unit.models.pool.scripted import USAGE, member

from ragstone.domain import Usage
from ragstone.models.faults import Fault, MemberError
from ragstone.models.pool import Outside, State
from ragstone.models.pool.attempt import Attempt
from ragstone.models.pool.choose import Bar
from ragstone.models.pool.member import Member
from ragstone.settings.models import Pool

HEALTH = [
    Fault.CONNECT,
    Fault.TIMEOUT_FIRST,
    Fault.TIMEOUT_BETWEEN,
    Fault.TIMEOUT_TOTAL,
    Fault.OVERLOADED,
    Fault.SERVER_ERROR,
    Fault.GARBAGE,
    Fault.CUT,
]


def nothing() -> None:
    """Nobody waits."""


def new(**given: object) -> Member:
    return Member(member("a", **given), Pool(failures_to_open=3, open_seconds=4), Outside(draw=lambda: 1.0))


def begin(one: Member, now: float = 0.0, tokens: int = 0) -> Attempt:
    return one.begin(tokens, now, nothing)


def fail(attempt: Attempt, fault: Fault, now: float = 0.0, retry_after: float | None = None) -> None:
    attempt.fail(MemberError("It fails", fault=fault, retry_after=retry_after), now)


def bar(one: Member, now: float = 0.0, tokens: int = 0) -> Bar | None:
    return one.standing(tokens, now).bar


def state(one: Member, now: float = 0.0) -> tuple[State, float | None]:
    seen = one.state(now, now)
    return seen.state, seen.until


@pytest.mark.parametrize("fault", HEALTH)
def test_faults_of_the_member_open_its_breaker(fault: Fault) -> None:
    one = new()
    for _ in range(3):
        fail(begin(one), fault)
    assert bar(one) is Bar.OPEN
    assert state(one) == (State.OPEN, 4.0)
    assert state(one, 4.0) == (State.HALF_OPEN, None)


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.TOO_LONG])
def test_faults_of_the_request_say_nothing_about_the_member(fault: Fault) -> None:
    one = new()
    for _ in range(20):
        fail(begin(one), fault)
    assert bar(one) is None
    assert one.window.size == 4


def test_a_pause_that_was_asked_for_is_no_failure() -> None:
    one = new()
    for now in (0.0, 3.0, 6.0, 9.0):
        fail(begin(one, now), Fault.RATE_LIMITED, now, 2.5)
        assert bar(one, now + 2.4) is Bar.COOLING
        assert bar(one, now + 2.6) is None
    assert one.breaker.failures == 0
    assert state(one, 9.0) == (State.COOLING, 11.5)
    assert one.window.size == 1


def test_an_overloaded_server_that_says_for_how_long_is_left_alone_so_long() -> None:
    one = new()
    fail(begin(one), Fault.OVERLOADED, 0.0, 30.0)
    assert bar(one, 29.0) is Bar.COOLING
    assert one.breaker.failures == 1


@pytest.mark.parametrize("fault", [Fault.UNAUTHORIZED, Fault.UNKNOWN_MODEL])
def test_a_member_that_is_not_set_up_is_left_alone_at_once(fault: Fault) -> None:
    one = new()
    fail(begin(one), fault)
    assert bar(one) is Bar.OPEN
    assert state(one) == (State.MISCONFIGURED, 4.0)


def test_a_changed_key_is_tried_at_once(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("old", encoding="utf-8")
    one = new(key_file=key)
    fail(begin(one, 1.0), Fault.UNAUTHORIZED, 1.0)
    assert bar(one, 3.5) is Bar.OPEN
    key.write_text("renewed", encoding="utf-8")
    assert bar(one, 3.6) is Bar.OPEN, "not looked at with every request"
    assert bar(one, 5.6) is None
    assert state(one, 5.6) == (State.READY, None)


def test_a_key_that_was_changed_while_a_request_was_under_way_is_tried_at_once(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("old", encoding="utf-8")
    one = new(key_file=key)
    sent = [begin(one), begin(one)]
    key.write_text("renewed", encoding="utf-8")
    for attempt in sent:
        fail(attempt, Fault.UNAUTHORIZED, 1.0)
        assert bar(one, 1.0) is None
    fail(begin(one, 1.0), Fault.UNAUTHORIZED, 1.5)
    assert state(one, 1.5) == (State.MISCONFIGURED, 5.5)


def test_a_key_that_appears_is_tried_at_once(tmp_path: Path) -> None:
    one = new(key_file=tmp_path / "key")
    fail(begin(one, 1.0), Fault.UNAUTHORIZED, 1.0)
    (tmp_path / "key").write_text("new", encoding="utf-8")
    assert bar(one, 3.6) is None


def test_as_many_as_the_window_admits_wait_for_their_first_token() -> None:
    one = new()
    first = [begin(one) for _ in range(4)]
    assert bar(one) is Bar.STARTING
    first[0].begin_answer(0.1)
    assert [bar(one), begin(one), bar(one)][::2] == [None, None]
    assert one.window.size == 5


def test_whoever_waits_no_more_makes_room_in_whichever_way() -> None:
    one = new()
    answered, failed, called_off, *_ = [begin(one) for _ in range(4)]
    answered.end(USAGE, 1.0)
    fail(failed, Fault.TOO_LONG)
    called_off.call_off(Usage(), 1.0)
    assert (one.waiting, one.in_flight) == (1, 1)


def test_an_attempt_ends_only_once() -> None:
    one = new()
    attempt = begin(one)
    attempt.end(USAGE, 1.0)
    fail(attempt, Fault.CUT)
    attempt.call_off(Usage(), 2.0)
    attempt.begin_answer(3.0)
    assert (one.waiting, one.in_flight, one.breaker.failures) == (0, 0, 0)
    assert not one.record.failures


def test_what_was_sent_into_an_outage_does_not_keep_the_one_back_that_finds_out() -> None:
    one = new()
    stuck = [begin(one) for _ in range(4)]
    for _ in range(3):
        fail(stuck.pop(), Fault.TIMEOUT_FIRST, 1.0)
    probe = begin(one, 5.0)
    assert bar(one, 5.0) is Bar.OPEN
    probe.begin_answer(5.1)
    assert (one.waiting, one.in_flight) == (0, 2)
    assert bar(one, 5.2) is None
    fail(stuck.pop(), Fault.TIMEOUT_FIRST, 6.0)
    assert (one.waiting, one.in_flight, one.breaker.failures) == (0, 1, 3)
    assert bar(one, 6.0) is None
    probe.end(USAGE, 7.0)
    assert (one.in_flight, one.breaker.failures) == (0, 0)


def test_a_member_that_has_come_back_is_asked_by_one_then_by_two_then_by_four() -> None:
    one = new()
    for _ in range(3):
        fail(begin(one), Fault.CONNECT)
    waves = []
    for now in (5.0, 6.0, 7.0, 8.0):
        wave = []
        while bar(one, now) is None:
            wave.append(begin(one, now))
        waves.append(len(wave))
        for attempt in wave:
            attempt.end(USAGE, now + 0.5)
    assert waves == [1, 2, 4, 8]


def test_limits_of_requests_tokens_and_concurrency_are_kept() -> None:
    one = new(limits={"requests_per_minute": 3, "tokens_per_minute": 100, "concurrent": 2})
    first = begin(one, 0.0, 60)
    assert bar(one, 0.0, 41) is Bar.SPENT
    assert bar(one, 0.0, 40) is None
    begin(one, 0.0, 10)
    assert bar(one, 0.0, 10) is Bar.BUSY
    first.end(Usage(5, 5, calls=1), 1.0)
    assert bar(one, 1.0, 80) is None, "what it took counts instead of what was reserved"
    begin(one, 1.0, 10).end(Usage(5, 5, calls=1), 2.0)
    standing = one.standing(10, 2.0)
    assert (standing.bar, standing.until) == (Bar.SPENT, 60.0)


def test_a_member_that_says_nothing_to_anybody_has_failed_although_nobody_waits_long() -> None:
    one = new(timeouts={"first_token": 30})
    for begun in (0.0, 10.0, 20.0, 30.0, 40.0):
        assert bar(one, begun) is None
        begin(one, begun).give_up(USAGE, begun + 10)
    assert state(one, 50.0) == (State.OPEN, 54.0)
    assert one.record.failures == {"timeout_first": 3}
    begin(one, 54.0).give_up(USAGE, 55.0)
    assert bar(one, 55.0) is Bar.OPEN, "as the one that found out has found"


def test_askers_that_wait_at_the_same_time_are_not_patient_together() -> None:
    one = new(timeouts={"first_token": 30})
    for attempt in [begin(one) for _ in range(20)]:
        attempt.give_up(USAGE, 10.0)
    assert (one.breaker.failures, bar(one, 10.0)) == (0, None)


def test_a_member_that_speaks_to_somebody_has_not_failed_those_who_leave() -> None:
    one = new(timeouts={"first_token": 30})
    for begun in (0.0, 30.0, 60.0, 90.0):
        leaving, other = begin(one, begun), begin(one, begun + 20)
        other.end(USAGE, begun + 25)
        leaving.give_up(USAGE, begun + 28)
        begin(one, begun + 28).call_off(USAGE, begun + 29)
    assert not one.record.failures


def test_what_it_has_done_can_be_seen() -> None:
    one = new(group=2, weight=3, model="served")
    for seconds in (0.1, 0.2, 0.9):
        attempt = begin(one)
        attempt.begin_answer(seconds)
        attempt.end(USAGE, 2.0)
    fail(begin(one), Fault.GARBAGE)
    begin(one)
    seen = one.state(0.0, 0.0)
    assert (seen.name, seen.group, seen.weight, seen.model) == ("a", 2, 3.0, "served")
    assert (seen.requests, seen.answered, seen.failures) == (5, 3, {"garbage": 1})
    assert (seen.in_flight, seen.first_token_p50, seen.last_error) == (1, 0.2, "It fails")
