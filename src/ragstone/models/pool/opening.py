"""Up to the first word: members are tried one after the other, or a second one beside one that is silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import TypeAlias

from ragstone.domain import ChatEvent, ChatRequest
from ragstone.models.faults import Fault, MemberError
from ragstone.models.pool.attempt import Attempt
from ragstone.models.pool.outside import Outside
from ragstone.models.pool.trial import Trial
from ragstone.models.protocols import estimated

_SHORTEST = 0.01  # seconds: no halves of halves for ever


@dataclass(frozen=True, slots=True)
class Line:
    """A member that has begun to answer."""

    attempt: Attempt
    first: ChatEvent
    events: AsyncGenerator[ChatEvent, None]  # behind the first


_Race: TypeAlias = dict[asyncio.Task[Line | None], Attempt]


class Opening:
    """One request until a member answers it."""

    def __init__(self, trial: Trial, request: ChatRequest, outside: Outside) -> None:
        """Nobody was asked yet."""
        self._trial = trial
        self._request = request
        self._outside = outside
        self._losers: list[asyncio.Task[Line | None]] = []

    async def open(self, hedge_seconds: float | None) -> Line:
        """The first member that says something.

        After `hedge_seconds` of silence another one is asked beside it, and in any case when half of the time that was
        left is over: a member that hangs must not take all of it.

        Raises:
            ModelUnavailableError: None says anything.
            PromptTooLongError: It fits into no window.
            PromptRefusedError: It is not taken as it is.
        """
        running: _Race = {}
        try:
            while True:
                if not running:
                    self._start(running, await self._trial.next())
                    patience = self._patience(hedge_seconds)
                done, _ = await asyncio.wait(running, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                if not done:
                    hedge = self._trial.hedge()
                    if hedge is not None:
                        self._start(running, hedge)
                        hedge_seconds = None
                    patience = self._patience(hedge_seconds)
                for task in done:
                    del running[task]
                    line = task.result()
                    if line is not None:
                        self._trial.won(line.attempt, running.values(), self._request)
                        return line
        finally:
            for task in running:
                task.cancel()
            self._losers = list(running)

    async def close(self) -> None:
        """Return when all that were called off have hung up."""
        if not self._losers:
            return
        for task in self._losers:
            if task.done() and not task.cancelled() and (line := task.result()) is not None:
                # It said its first word in the moment in which it was called off.
                line.attempt.call_off(estimated(line.attempt.member.model, self._request), self._outside.clock())
                await line.events.aclose()
        await asyncio.wait(self._losers)

    async def _first(self, attempt: Attempt) -> Line | None:
        """The member when it has said its first; None: it failed, which is reported."""
        try:
            line = await self._begun(attempt)
        except MemberError as error:
            self._trial.failed(attempt, error)
            return None
        except BaseException:
            attempt.give_up(estimated(attempt.member.model, self._request), self._outside.clock())
            raise
        self._trial.answered(attempt)
        return line

    async def _begun(self, attempt: Attempt) -> Line:
        model, left = attempt.member.model, self._trial.left
        events = self._outside.speak(model, replace(self._request, seconds=left), attempt.member.client())
        try:
            async with asyncio.timeout(left):
                first = await anext(events, None)
        except TimeoutError:
            usage = estimated(model, self._request)
            raise MemberError(f"The model {model.name} is too slow", fault=Fault.TIMEOUT_TOTAL, usage=usage) from None
        if first is None:
            raise MemberError(f"The model {model.name} ends without a word", fault=Fault.CUT)
        return Line(attempt, first, events)

    def _patience(self, hedge_seconds: float | None) -> float | None:
        """Seconds of silence after which another one is asked; None: there is no reason to."""
        left = self._trial.left
        if left is None:
            return hedge_seconds
        half = max(left / 2, _SHORTEST)
        return half if hedge_seconds is None else min(hedge_seconds, half)

    def _start(self, running: _Race, attempt: Attempt) -> None:
        running[asyncio.create_task(self._first(attempt))] = attempt
