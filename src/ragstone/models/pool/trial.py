"""One request on its way from member to member."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from ragstone.domain import ChatRequest, Usage
from ragstone.errors import RagstoneError
from ragstone.models.faults import Fault, MemberError
from ragstone.models.pool.attempt import Attempt
from ragstone.models.pool.choose import Bar, Choice, Standing, choose
from ragstone.models.pool.crew import Crew
from ragstone.models.pool.member import Member
from ragstone.models.pool.reasons import ending, in_words
from ragstone.models.pool.waiters import Wanted
from ragstone.models.protocols import estimated
from ragstone.observe import metrics
from ragstone.settings.models import Model

_TIMEOUTS = {Fault.TIMEOUT_FIRST, Fault.TIMEOUT_BETWEEN, Fault.TIMEOUT_TOTAL}
_UNBILLED = {  # nothing was read, whatever was sent
    Fault.CONNECT,
    Fault.RATE_LIMITED,
    Fault.OVERLOADED,
    Fault.SERVER_ERROR,
    Fault.REFUSED,
    Fault.TOO_LONG,
    Fault.UNAUTHORIZED,
    Fault.UNKNOWN_MODEL,
}
_NEVER = {Bar.TRIED, Bar.UNFIT}
_TIMED = {Bar.OPEN, Bar.COOLING, Bar.SPENT}
_SOONEST = 1.0  # seconds: whether a member works again may be known any moment, but is not known yet
_SLACK = 0.01  # seconds by which a member's clock for the same deadline may be ahead of ours
_REFUSALS = 2  # of the same request by different members: then it is the request


class Trial:
    """Whom this request was tried on, what that has cost, and who is next."""

    def __init__(
        self,
        crew: Crew,
        members: Callable[[], Sequence[Member]],
        tokens: int,
        *,
        suits: Callable[[Model], bool] = lambda _: True,
        seconds: float | None = None,
    ) -> None:
        """Nobody was asked yet.

        Args:
            crew: What all requests share.
            members: Those that could be asked, as they are when it is called.
            tokens: About how many it will take, read and written.
            suits: Whether a member can do what is asked at all.
            seconds: For all attempts together; None: there is no limit.
        """
        self.usage = Usage()  # of the attempts that failed
        self._crew = crew
        self._members = members
        self._tokens = tokens
        self._suits = suits
        self._clock = crew.outside.clock
        self._deadline = math.inf if seconds is None else self._clock() + seconds
        self._too_small = 0  # windows up to this one did not take it
        self._tried: list[Member] = []
        self._errors: dict[Member, MemberError] = {}  # each is tried once
        self._refused: list[Attempt] = []
        crew.retries.earn()

    @property
    def left(self) -> float | None:
        """Seconds that are left; None: there is no limit."""
        return None if self._deadline == math.inf else max(self._deadline - self._clock(), 0.0)

    async def next(self) -> Attempt:
        """A request to the next member, as soon as one has room.

        Raises:
            ModelUnavailableError: There is none left, or none has room in time.
            PromptTooLongError: There is none left with a larger window.
            PromptRefusedError: Two have refused it.
        """
        if not self._tried:
            return await self._room()
        refusals = sum(error.fault is Fault.REFUSED for error in self._errors.values())
        if len(self._tried) >= self._crew.pool.attempts or refusals >= _REFUSALS or not self._crew.retries.pay():
            raise self._end()
        try:
            attempt = await self._room()
        except BaseException:
            self._crew.retries.refund()
            raise
        metrics.MODEL_RETRIES.inc()
        return attempt

    def hedge(self) -> Attempt | None:
        """A request to one more member beside the one that is silent; None: nobody has room, or it is not worth it."""
        crew = self._crew
        if len(self._tried) >= crew.pool.attempts or self._clock() >= self._deadline or not crew.retries.pay():
            return None
        attempt, _ = self._take()
        if attempt is None:
            crew.retries.refund()
        else:
            metrics.MODEL_HEDGES.inc()
        return attempt

    def answered(self, attempt: Attempt) -> None:
        """Its answer has begun."""
        now = self._clock()
        attempt.begin_answer(now)
        for other in self._refused:
            other.member.spoken_against(other, now)
        self._refused.clear()

    def won(self, winner: Attempt, losers: Iterable[Attempt], request: ChatRequest) -> None:
        """It was the first to answer of those that were asked at the same time; the others are called off.

        Who was asked before it has failed, else a member that hangs would be asked for ever.
        """
        now = self._clock()
        for loser in losers:
            if not loser.open:  # it failed in the same moment, and is counted
                continue
            name, usage = loser.member.model.name, estimated(loser.member.model, request)
            self.usage += usage
            if loser.begun < winner.begun and not loser.said:
                what = f"The model {name} was overtaken by another"
                loser.fail(MemberError(what, fault=Fault.TIMEOUT_FIRST, usage=usage), now)
            else:
                loser.call_off(usage, now)

    def failed(self, attempt: Attempt, error: MemberError) -> None:
        """It was not answered, or not to its end."""
        now = self._clock()
        if error.fault in _UNBILLED and not error.said:
            error.usage = Usage(calls=error.usage.calls)
        self.usage += error.usage
        self._errors[attempt.member] = error
        if error.fault in _TIMEOUTS and now >= self._deadline - _SLACK:
            # It was the asker who had no more time; the member may have been about to answer.
            attempt.give_up(error.usage, now)
            return
        if error.fault is Fault.TOO_LONG:
            self._too_small = max(self._too_small, attempt.member.model.context_tokens)
        elif error.fault is Fault.REFUSED:
            self._refused.append(attempt)
        attempt.fail(error, now)

    async def _room(self) -> Attempt:
        if self._clock() >= self._deadline:
            raise self._end()
        attempt, later = self._take()
        if attempt is not None:
            return attempt
        limit = min(self._clock() + self._crew.pool.queue_seconds, self._deadline)

        def take() -> tuple[Attempt | None, bool]:
            attempt, later = self._take()
            return attempt, _is_worth_waiting(later, limit)

        while (now := self._clock()) < limit and _is_worth_waiting(later, limit):
            attempt = await self._crew.waiters.wait(self._wanted(), take, min(limit, later.at) - now)
            if attempt is None:
                attempt, later = self._take()
            if attempt is not None:
                return attempt
        # A window holds back as long as others may answer sooner; it is no reason for no answer at all.
        attempt = None if now >= self._deadline else self._take(over=True)[0]
        if attempt is None:
            raise self._end()
        return attempt

    def _take(self, *, over: bool = False) -> tuple[Attempt | None, Choice]:
        now = self._clock()
        members = self._members()
        standings = [self._standing(member, now) for member in members]
        choice = choose(standings, self._crew.outside.draw, over=over)
        if choice.index is None:
            return None, choice
        member = members[choice.index]
        self._tried.append(member)
        return member.begin(self._tokens, now, self._crew.waiters.freed), choice

    def _wanted(self) -> Wanted:
        """Those that can do it, whether they have room or not."""
        now = self._clock()
        members = self._members()
        return frozenset(one.model.name for one in members if self._standing(one, now).bar not in _NEVER)

    def _standing(self, member: Member, now: float) -> Standing:
        model = member.model
        if member in self._tried:
            return Standing(model.group, model.weight, 0, Bar.TRIED)
        if model.context_tokens <= self._too_small or not self._suits(model):
            return Standing(model.group, model.weight, 0, Bar.UNFIT)
        return member.standing(self._tokens, now)

    def _end(self) -> RagstoneError:
        """Why nobody answers this request."""
        return ending(self._errors.values(), "; ".join(self._reasons()), self._retry_after())

    def _retry_after(self) -> float | None:
        """Seconds until the first member that is left alone may be asked again, at least one; None: none is."""
        now = self._clock()
        standings = [member.standing(self._tokens, now) for member in self._members()]
        return min((max(one.until - now, _SOONEST) for one in standings if one.bar in _TIMED), default=None)

    def _reasons(self) -> Iterator[str]:
        """What is to be said of each member, in a few words without a server's own."""
        if self._clock() >= self._deadline:
            yield "the time for it is over"
        now = self._clock()
        for member in self._members():
            error = self._errors.get(member)
            known = self._standing(member, now).bar if error is None else error.fault
            if known is not None:
                yield f"{member.model.name}: {in_words(known)}"


def _is_worth_waiting(later: Choice, limit: float) -> bool:
    return later.full or later.at <= limit
