"""One member of the pool as it is now."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from ragstone.domain import Usage
from ragstone.models.faults import Fault, MemberError
from ragstone.models.pool.attempt import Attempt
from ragstone.models.pool.breaker import Breaker
from ragstone.models.pool.budget import PerMinute, Spent
from ragstone.models.pool.choose import Bar, Standing
from ragstone.models.pool.connections import Connections, Version
from ragstone.models.pool.outside import Outside
from ragstone.models.pool.pause import Pause
from ragstone.models.pool.record import Record
from ragstone.models.pool.silence import Silence
from ragstone.models.pool.state import MemberState, State
from ragstone.models.pool.window import Window
from ragstone.models.protocols import Client
from ragstone.settings.models import Model, Pool

_KEY_SECONDS = 2.0  # between two looks at a key that its server refused

_log = logging.getLogger(__name__)

_SETUP = {Fault.UNAUTHORIZED, Fault.UNKNOWN_MODEL}
_OF_THE_REQUEST = {Fault.REFUSED, Fault.TOO_LONG}
_SILENT = {Fault.CONNECT, Fault.TIMEOUT_FIRST, Fault.TIMEOUT_TOTAL}
# What may change in a block without making another member of it.
_ASKED_FOR = ("group", "weight", "context_tokens", "json_schema", "log_probabilities", "price", "limits", "timeouts")


class Member:
    """What is known of one member: how it has answered so far, and what is under way."""

    def __init__(self, model: Model, pool: Pool, outside: Outside) -> None:
        """Nothing is known yet, and nothing connected."""
        self.model = model
        self.breaker = Breaker(pool, outside.draw)
        self.window = Window()
        self.pause = Pause(pool)
        self._silence = Silence()
        self.record = Record(model)
        self.connections = Connections(model, outside)
        self.in_flight = 0
        self._waiting = 0  # of these, for their first token, as far as they were sent in this phase of the breaker
        self._phase = self.breaker.phase
        self._requests_spent = PerMinute(model.limits.requests_per_minute)
        self._tokens_spent = PerMinute(model.limits.tokens_per_minute)
        self._refused_key: Version = None
        self._key_seen_at = 0.0

    def follow(self, model: Model, pool: Pool) -> bool:
        """Keep to what the file says now; False: that is another member, of which nothing is known."""
        if self.model.model_copy(update={name: getattr(model, name) for name in _ASKED_FOR}) != model:
            return False
        self.model = model
        self.breaker.pool = self.pause.pool = pool
        self._requests_spent.limit(model.limits.requests_per_minute)
        self._tokens_spent.limit(model.limits.tokens_per_minute)
        return True

    def client(self) -> Client:
        """What speaks to its server.

        Raises:
            MemberError: The member is set up in a way that allows for no connection.
        """
        return self.connections.client(is_trying=self.breaker.probing)

    @property
    def waiting(self) -> int:
        """Requests that wait for their first token; what was sent into an outage no longer counts."""
        return self._waiting if self._phase == self.breaker.phase else 0

    def standing(self, tokens: int, now: float) -> Standing:
        """Whether it may be asked for so many tokens now, and if not, why and until when."""
        bar, until = self._bar(tokens, now)
        model = self.model
        return Standing(model.group, model.weight, self.in_flight, bar, until)

    def begin(self, tokens: int, now: float, freed: Callable[[], None]) -> Attempt:
        """Send a request that takes about so many tokens; `freed` is called whenever room has become free."""
        phase = self.breaker.begin()
        self._waiting = self.waiting + 1
        self._phase = phase
        self.in_flight += 1
        self.record.requests += 1
        settle = partial(self._settle, self._requests_spent.reserve(1, now), self._tokens_spent.reserve(tokens, now))
        return Attempt(self, phase, now, settle, freed)

    def state(self, now: float, wall: float) -> MemberState:
        """For people; `wall` is the Unix time at `now`."""
        state, until = self._state(now)
        model, record = self.model, self.record
        return MemberState(
            name=model.name,
            kind=model.kind,
            model=model.model,
            group=model.group,
            weight=model.weight,
            state=state,
            until=None if until is None or until <= now else wall + until - now,
            in_flight=self.in_flight,
            window=self.window.size,
            requests=record.requests,
            answered=record.answered,
            failures=dict(record.failures),
            last_error=record.last_error,
            first_token_p50=record.first_token_p50,
        )

    def _bar(self, tokens: int, now: float) -> tuple[Bar | None, float]:
        breaker = self.breaker
        if breaker.reason is not None:
            self._look_at_key(now)
        if not breaker.admits(now):
            return Bar.OPEN, breaker.until or now
        if now < self.pause.until:
            return Bar.COOLING, self.pause.until
        free_at = max(self._requests_spent.when(1, now), self._tokens_spent.when(tokens, now))
        if free_at > now:
            return Bar.SPENT, free_at
        concurrent = self.model.limits.concurrent
        if concurrent is not None and self.in_flight >= concurrent:
            return Bar.BUSY, now
        # The one request that finds out whether it works again is let through.
        if breaker.until is None and not self.window.admits(self.waiting):
            return Bar.STARTING, now
        return None, now

    def _state(self, now: float) -> tuple[State, float | None]:
        breaker = self.breaker
        if breaker.until is not None:
            if breaker.reason is not None:
                return State.MISCONFIGURED, breaker.until
            half = breaker.probing or now >= breaker.until
            return State.HALF_OPEN if half else State.OPEN, breaker.until
        return (State.COOLING, self.pause.until) if now < self.pause.until else (State.READY, None)

    def _look_at_key(self, now: float) -> None:
        """A key that was changed is tried at once."""
        if now - self._key_seen_at < _KEY_SECONDS:
            return
        self._key_seen_at = now
        if self.connections.key() != self._refused_key:
            self.breaker.renewed()

    def _settle(self, request: Spent | None, tokens: Spent | None, usage: Usage, now: float) -> None:
        """Count what was needed instead of what was reserved; what was not sent is no request."""
        self._requests_spent.settle(request, min(usage.calls, 1), now)
        self._tokens_spent.settle(tokens, usage.input_tokens + usage.output_tokens, now)

    # What an attempt reports.

    def began(self, attempt: Attempt, now: float) -> None:
        """Its answer has begun."""
        self.over_waiting(attempt)
        self._silence.broken(now)
        self.record.began(now - attempt.begun)
        if attempt.phase == self.breaker.phase:
            if self.breaker.until is not None:
                _log.info("The model %s answers again", self.model.name)
            self.window.grow()
            self.breaker.alive(attempt.phase)

    def ended(self, attempt: Attempt, usage: Usage, now: float) -> None:
        """It was answered to its end."""
        self.in_flight -= 1
        self.pause.answered()
        self.breaker.succeeded(attempt.phase)
        self.record.ended(now - attempt.begun, usage)

    def failed(self, attempt: Attempt, error: MemberError, now: float) -> None:
        """It was not answered, or not to its end."""
        self.in_flight -= 1
        if error.fault not in _SILENT:
            self._silence.broken(now)
        if attempt.phase == self.breaker.phase:
            self._judge(attempt, error, now)
            self._tell_if_open(attempt.phase, str(error), now)
        if error.retry_after is not None or error.fault is Fault.RATE_LIMITED:
            self.pause.ask(attempt.begun, error.retry_after, now)
        self.record.failed(error.fault, str(error), error.usage)

    def called_off(self, attempt: Attempt, usage: Usage) -> None:
        """Nobody needs its answer any more: that says nothing about the member."""
        self.in_flight -= 1
        self.breaker.called_off(attempt.phase)
        self.record.called_off(usage)

    def given_up(self, attempt: Attempt, usage: Usage, now: float) -> None:
        """Who asked had no more time: that says nothing about the member, unless it keeps silent to everybody."""
        if attempt.phase == self.breaker.phase and not attempt.said:
            self._silence.waited(attempt.begun, now)
            if self._silence.seconds >= self.model.timeouts.first_token:
                what = f"The model {self.model.name} said nothing to anybody in {self._silence.seconds:.0f} seconds"
                self.failed(attempt, MemberError(what, fault=Fault.TIMEOUT_FIRST, usage=usage), now)
                return
        self.called_off(attempt, usage)

    def spoken_against(self, attempt: Attempt, now: float) -> None:
        """Others take the request that it refused: that was a failure."""
        if attempt.phase == self.breaker.phase:
            self._has_failed(attempt.phase, now)
            self._tell_if_open(attempt.phase, "it refuses what others take", now)

    def over_waiting(self, attempt: Attempt) -> None:
        """It does not wait for its first token any more."""
        if attempt.phase == self._phase:
            self._waiting -= 1

    def _judge(self, attempt: Attempt, error: MemberError, now: float) -> None:
        phase = attempt.phase
        if error.fault in _OF_THE_REQUEST:
            self.breaker.alive(phase)
        elif error.fault is Fault.RATE_LIMITED:
            self.breaker.alive(phase)
            self.window.shut()
        elif error.fault in _SETUP and attempt.key != self.connections.key():
            self.breaker.called_off(phase)  # that was the former key, and says nothing about the one that is there now
        elif error.fault in _SETUP:
            self.breaker.misconfigured(phase, now, error.fault)
            self._refused_key, self._key_seen_at = attempt.key, now
            self.window.shut()
        else:
            self._has_failed(phase, now)

    def _tell_if_open(self, phase: int, why: str, now: float) -> None:
        breaker = self.breaker
        if breaker.phase != phase and breaker.until is not None:
            _log.warning("The model %s is left alone for %.1f seconds: %s", self.model.name, breaker.until - now, why)

    def _has_failed(self, phase: int, now: float) -> None:
        waiting = self.waiting + 1
        self.breaker.failed(phase, now)
        if self.breaker.failures == 1:
            self.window.shrink(waiting)
        else:
            self.window.shut()
