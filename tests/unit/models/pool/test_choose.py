from __future__ import annotations

import math
import random
from collections import Counter

import pytest

from ragstone.models.pool.choose import Bar, Choice, Standing, choose


def standing(
    group: int = 0, weight: float = 1.0, in_flight: int = 0, bar: Bar | None = None, until: float = 0.0
) -> Standing:
    return Standing(group, weight, in_flight, bar, until)


def chosen(*standings: Standing, over: bool = False) -> int | None:
    return choose(standings, random.Random(1).random, over=over).index


@pytest.mark.parametrize("bar", list(Bar))
def test_a_member_that_may_not_be_asked_is_not(bar: Bar) -> None:
    assert chosen(standing(bar=bar)) is None
    assert chosen(standing(bar=bar), standing()) == 1


def test_the_lowest_group_with_a_member_that_may_be_asked_is_asked() -> None:
    assert chosen(standing(group=2), standing(group=1), standing(group=3)) == 1
    assert chosen(standing(group=2), standing(group=1, bar=Bar.OPEN), standing(group=3)) == 0


@pytest.mark.parametrize("bar", [Bar.STARTING, Bar.BUSY, Bar.SPENT, Bar.COOLING])
def test_a_group_that_is_full_passes_its_requests_on(bar: Bar) -> None:
    assert chosen(standing(group=0, bar=bar, until=9.0), standing(group=1)) == 1


def test_idle_members_of_a_group_share_by_weight() -> None:
    draw = random.Random(7).random
    members = (standing(weight=3.0), standing(weight=1.0), standing(weight=4.0))
    counted = Counter(choose(members, draw).index for _ in range(8000))
    assert [counted[index] / 1000 for index in range(3)] == pytest.approx([3, 1, 4], rel=0.1)


def test_of_two_the_one_with_less_to_do_for_its_weight_is_asked() -> None:
    draw = random.Random(7).random
    members = (standing(in_flight=6, weight=3.0), standing(in_flight=3, weight=1.0))
    assert {choose(members, draw).index for _ in range(200)} == {0}


def test_the_busiest_of_several_is_never_asked() -> None:
    draw = random.Random(7).random
    members = (standing(in_flight=1), standing(in_flight=9), standing(in_flight=2))
    assert {choose(members, draw).index for _ in range(500)} == {0, 2}


def test_when_nobody_may_be_asked_it_is_told_what_to_wait_for() -> None:
    draw = random.random
    assert choose([], draw) == Choice(None, full=False, at=math.inf)
    assert choose([standing(bar=Bar.OPEN, until=3.0), standing(bar=Bar.TRIED)], draw) == Choice(None)
    pausing = [standing(bar=Bar.COOLING, until=9.0), standing(bar=Bar.SPENT, until=7.0), standing(bar=Bar.OPEN)]
    assert choose(pausing, draw) == Choice(None, full=False, at=7.0)
    assert choose([standing(bar=Bar.BUSY), standing(bar=Bar.UNFIT)], draw) == Choice(None, full=True)


def test_windows_may_be_passed_over_but_no_limit() -> None:
    assert chosen(standing(bar=Bar.STARTING), over=True) == 0
    assert chosen(standing(bar=Bar.BUSY), standing(bar=Bar.SPENT), standing(bar=Bar.COOLING), over=True) is None
    assert chosen(standing(group=0, bar=Bar.BUSY), standing(group=1, bar=Bar.STARTING), over=True) == 1
