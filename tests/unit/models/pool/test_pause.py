from __future__ import annotations

from ragstone.models.pool.pause import Pause
from ragstone.settings.models import Pool


def test_a_server_is_left_alone_as_long_as_it_says() -> None:
    pause = Pause(Pool())
    pause.ask(0.0, 7.5, 1.0)
    assert pause.until == 8.5


def test_the_later_end_of_two_pauses_counts() -> None:
    pause = Pause(Pool())
    pause.ask(0.0, 10.0, 1.0)
    pause.ask(0.5, 1.0, 2.0)
    assert pause.until == 11.0
    pause.ask(0.5, 30.0, 3.0)
    assert pause.until == 33.0


def test_a_server_that_does_not_say_how_long_is_left_alone_twice_as_long_each_time() -> None:
    pause = Pause(Pool())
    pauses = []
    now = 0.0
    for _ in range(5):
        pause.ask(now, None, now)
        pauses.append(pause.until - now)
        now = pause.until
    assert pauses == [1, 2, 4, 8, 16]


def test_refusals_of_requests_that_were_under_way_together_count_once() -> None:
    pause = Pause(Pool())
    for number in range(10):
        pause.ask(0.0, None, 0.1 + number / 100)
    assert pause.until < 1.3


def test_a_server_that_says_now_again_and_again_is_not_taken_at_its_word() -> None:
    pause = Pause(Pool())
    now, asked = 0.0, 0
    while now < 2.0:
        pause.ask(now, 0.0, now)
        now, asked = pause.until, asked + 1
    assert asked == 6


def test_an_answer_makes_the_next_pause_a_short_one_again() -> None:
    pause = Pause(Pool())
    pause.ask(0.0, None, 0.0)
    pause.ask(1.0, None, 1.0)
    pause.answered()
    pause.ask(4.0, None, 4.0)
    assert pause.until == 5.0


def test_no_server_can_have_itself_forgotten() -> None:
    pause = Pause(Pool())
    pause.ask(0.0, 1e9, 0.0)
    assert pause.until == 3600.0


def test_what_is_doubled_grows_no_longer_than_a_member_that_is_down_is_left_alone() -> None:
    for told in (None, 0.0, 1.0):
        pause = Pause(Pool(open_seconds_most=60))
        now = 0.0
        for _ in range(40):
            pause.ask(now, told, now)
            assert pause.until - now < 60.001
            now = pause.until
