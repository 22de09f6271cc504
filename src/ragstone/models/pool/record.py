"""What one member has done so far: for people, and for the service's figures."""

from __future__ import annotations

import statistics
from collections import Counter, deque

from ragstone.domain import Usage
from ragstone.observe import metrics
from ragstone.settings.models import Model

_REMEMBERED = 100  # answers whose first token is remembered


class Record:
    """Counts; the service's counters are looked up once, because each look-up takes longer than counting."""

    def __init__(self, model: Model) -> None:
        """All at nothing; the service's figures go on where a member of this name has left them."""
        self.requests = 0
        self.answered = 0
        self.failures: Counter[str] = Counter()
        self.last_error: str | None = None
        self._first_tokens: deque[float] = deque(maxlen=_REMEMBERED)
        self._name, self._kind = model.name, model.kind
        self._outcomes = {"ok": metrics.MODEL_REQUESTS.labels(model.name, model.kind, "ok")}
        self._first_token = metrics.MODEL_FIRST_TOKEN.labels(model.name)
        self._seconds = metrics.MODEL_SECONDS.labels(model.name)
        self._input = metrics.MODEL_TOKENS.labels(model.name, "input")
        self._output = metrics.MODEL_TOKENS.labels(model.name, "output")
        self._cost = metrics.MODEL_COST.labels(model.name)

    @property
    def first_token_p50(self) -> float | None:
        """Seconds; the median of the last hundred."""
        return statistics.median(self._first_tokens) if self._first_tokens else None

    def began(self, seconds: float) -> None:
        """An answer has begun, after so long."""
        self._first_tokens.append(seconds)
        self._first_token.observe(seconds)

    def ended(self, seconds: float, usage: Usage) -> None:
        """A request was answered to its end, in so long."""
        self.answered += 1
        self._seconds.observe(seconds)
        self._over("ok", usage)

    def failed(self, fault: str, error: str, usage: Usage) -> None:
        """A request was not answered, or not to its end."""
        self.failures[fault] += 1
        self.last_error = error
        self._over(fault, usage)

    def called_off(self, usage: Usage) -> None:
        """Nobody wanted the answer any more."""
        self._over("cancelled", usage)

    def _over(self, outcome: str, usage: Usage) -> None:
        counter = self._outcomes.get(outcome)
        if counter is None:
            counter = self._outcomes[outcome] = metrics.MODEL_REQUESTS.labels(self._name, self._kind, outcome)
        counter.inc()
        self._input.inc(usage.input_tokens)
        self._output.inc(usage.output_tokens)
        if usage.cost:
            self._cost.inc(usage.cost)
