from __future__ import annotations

from ragstone.models.pool.window import FIRST, LAST, Window


def test_few_may_wait_at_a_member_of_which_nothing_is_known() -> None:
    window = Window()
    assert [window.admits(waiting) for waiting in range(6)] == [True] * FIRST + [False] * 2


def test_answers_double_with_each_round_what_may_wait() -> None:
    window = Window()
    rounds = []
    while window.size is not None:
        rounds.append(window.size)
        for _ in range(window.size):
            window.grow()
    assert rounds == [4, 8, 16, 32, 64]
    assert window.admits(10**6)


def test_a_single_failure_halves_what_may_wait() -> None:
    window = Window()
    for _ in range(LAST):
        window.grow()
    assert window.admits(10**6)
    window.shrink(30)
    assert [window.admits(14), window.admits(15)] == [True, False]
    window.shrink(1)
    assert window.size == 7


def test_there_is_always_room_for_one() -> None:
    window = Window()
    window.shut()
    window.shrink(1)
    assert window.size == 1
    assert window.admits(0)
    assert not window.admits(1)
