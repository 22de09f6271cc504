"""Who runs, who waits and who is refused, on a clock that is moved by hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from visitors import HandMovedLoop, Visitor

from ragstone.api.door.gate import Gate
from ragstone.domain import Priority

PRIORITIES = st.sampled_from(Priority)
NUMBERS = st.integers(0, 100)


class GateMachine(RuleBasedStateMachine):
    """Any sequence of arrivals, ends, faults, cancellations and waiting."""

    @initialize(slots=st.integers(1, 6), queue=st.integers(0, 5))
    def open(self, slots: int, queue: int) -> None:
        self.loop = HandMovedLoop()
        self.slots, self.queue, self.patience = slots, queue, 10.0
        self.gate = Gate(slots, queue=queue, patience=self.patience)
        self.visitors: list[Visitor] = []
        self.ran: list[Visitor] = []

    def limit(self, priority: Priority) -> int:
        reserve = max(1, self.slots // 4) if self.slots > 1 else 0
        return self.slots if priority is Priority.INTERACTIVE else self.slots - reserve

    def those(self, *fates: str) -> list[Visitor]:
        return [visitor for visitor in self.visitors if visitor.fate in fates]

    @rule(priority=PRIORITIES, holds_on=st.booleans())
    def arrive(self, priority: Priority, *, holds_on: bool) -> None:
        waiting = self.those("waiting")
        refused = self.those("refused")
        runs = len(self.those("running")) < self.limit(priority)
        newcomer = Visitor(len(self.visitors), priority, self.gate, self.loop, holds_on)
        self.visitors.append(newcomer)
        self.loop.settle()
        victims = [visitor for visitor in self.those("refused") if visitor not in refused]
        if runs:
            assert newcomer.fate == "running"
            assert not victims
        elif len(waiting) < self.queue:
            assert newcomer.fate == "waiting"
            assert not victims
        else:
            assert victims == [max([*waiting, newcomer], key=lambda visitor: (visitor.priority, visitor.number))]

    @precondition(lambda self: self.those("running"))
    @rule(which=NUMBERS, how=st.sampled_from(["ended", "failed", "cancelled"]))
    def leave(self, which: int, how: str) -> None:
        running = self.those("running")
        visitor = running[which % len(running)]
        self.finish(visitor, how)
        self.loop.settle()
        assert visitor.fate == how

    @precondition(lambda self: self.those("waiting"))
    @rule(which=NUMBERS)
    def give_up(self, which: int) -> None:
        waiting = self.those("waiting")
        visitor = waiting[which % len(waiting)]
        visitor.task.cancel()
        self.loop.settle()
        assert visitor.fate == "cancelled"

    @precondition(lambda self: self.those("waiting"))
    @rule(which=NUMBERS, hops=st.integers(0, 3))
    def give_up_while_the_turn_comes(self, which: int, hops: int) -> None:
        waiting = self.those("waiting")
        visitor = waiting[which % len(waiting)]
        self.finish(self.those("running")[0], "ended")
        self.loop.settle(hops)
        visitor.task.cancel()
        self.loop.settle()
        assert visitor.fate == "cancelled"

    @precondition(lambda self: any(visitor.holds_on for visitor in self.those("waiting")))
    @rule(which=NUMBERS, priority=PRIORITIES)
    def give_up_while_somebody_arrives(self, which: int, priority: Priority) -> None:
        waiting = [visitor for visitor in self.those("waiting") if visitor.holds_on]
        visitor = waiting[which % len(waiting)]
        self.visitors.append(Visitor(len(self.visitors), priority, self.gate, self.loop))
        visitor.task.cancel()
        self.loop.settle()
        assert visitor.fate == "cancelled"

    @rule(seconds=st.floats(0, 12))
    def time_passes(self, seconds: float) -> None:
        self.loop.advance(seconds)

    def finish(self, visitor: Visitor, how: str) -> None:
        if how == "cancelled":
            visitor.task.cancel()
        elif how == "failed":
            visitor.end.set_exception(ZeroDivisionError())
        else:
            visitor.end.set_result(None)

    @invariant()
    def never_more_run_than_there_are_slots(self) -> None:
        running = self.those("running")
        assert self.gate.running == len(running) <= self.slots

    @invariant()
    def the_numbers_are_those_of_the_visitors(self) -> None:
        for priority in Priority:
            of_class = [visitor for visitor in self.visitors if visitor.priority is priority]
            assert self.gate.waiting[priority] == sum(visitor.fate == "waiting" for visitor in of_class)
            assert self.gate.refused[priority] == sum(visitor.fate == "refused" for visitor in of_class)
        assert len(self.those("waiting")) <= self.queue

    @invariant()
    def nobody_waits_for_a_slot_that_is_free_or_longer_than_patience(self) -> None:
        for visitor in self.those("waiting"):
            assert self.gate.running >= self.limit(visitor.priority)
            assert self.loop.time() - visitor.arrived < self.patience

    @invariant()
    def whoever_began_was_the_first_of_the_best_class_and_left_the_reserve(self) -> None:
        began = [visitor for visitor in self.those("running") if visitor not in self.ran]
        self.ran += began
        assert len(began) <= 1
        for visitor in began:
            assert self.gate.running <= self.limit(visitor.priority)
            for other in self.those("waiting"):
                assert (visitor.priority, visitor.number) < (other.priority, other.number)

    def teardown(self) -> None:
        for _ in self.visitors:
            for visitor in self.those("running"):
                self.finish(visitor, "ended")
            self.loop.settle()
        # Nobody is forgotten: with the slots free again, everybody's fate is decided.
        assert not self.those("waiting")
        assert self.gate.running == 0
        assert not any(self.gate.waiting.values())
        self.loop.close()


TestGate = GateMachine.TestCase
TestGate.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@pytest.fixture
def loop() -> Iterator[HandMovedLoop]:
    loop = HandMovedLoop()
    yield loop
    loop.close()


def run_some(gate: Gate, loop: HandMovedLoop, count: int, seconds: float) -> None:
    """Let that many requests run, each for so long."""
    for number in range(count):
        visitor = Visitor(number, Priority.INTERACTIVE, gate, loop)
        loop.settle()
        loop.advance(seconds)
        visitor.end.set_result(None)
        loop.settle()


def test_the_estimate_grows_with_the_line_ahead_and_with_what_requests_take(loop: HandMovedLoop) -> None:
    gate = Gate(4, queue=100, patience=60)
    assert gate.retry_after(Priority.INTERACTIVE) == 1
    run_some(gate, loop, 60, 2.0)
    visitors = [Visitor(number, Priority.INTERACTIVE, gate, loop) for number in range(4 + 9)]
    loop.settle()
    # Nine wait: the tenth is served after ten requests of two seconds on four slots.
    assert gate.retry_after(Priority.INTERACTIVE) == 5
    # The lower classes wait for three slots.
    assert gate.retry_after(Priority.BATCH) == 7
    for visitor in visitors:
        visitor.task.cancel()
    loop.settle()


def test_a_better_class_does_not_wait_for_the_worse_ones(loop: HandMovedLoop) -> None:
    gate = Gate(1, queue=100, patience=60)
    visitors = [Visitor(number, Priority.EVALUATION, gate, loop) for number in range(21)]
    loop.settle()
    assert gate.retry_after(Priority.INTERACTIVE) == 1
    assert gate.retry_after(Priority.EVALUATION) == 21
    for visitor in visitors:
        visitor.task.cancel()
    loop.settle()


def test_the_estimate_stays_between_one_and_thirty_seconds(loop: HandMovedLoop) -> None:
    gate = Gate(1, queue=100, patience=60)
    run_some(gate, loop, 50, 0.001)
    assert gate.retry_after(Priority.EVALUATION) == 1
    run_some(gate, loop, 50, 600.0)
    assert gate.retry_after(Priority.INTERACTIVE) == 30
