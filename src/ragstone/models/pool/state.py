"""What can be seen of the pool: plain records for people and for metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ragstone.settings.models import Kind


class State(StrEnum):
    """Whether a member is asked."""

    READY = "ready"
    COOLING = "cooling"  # its server has asked for a pause
    OPEN = "open"  # it failed too often, and is left alone for a while
    HALF_OPEN = "half_open"  # one request finds out whether it works again
    MISCONFIGURED = "misconfigured"  # its server does not know the key or the model


@dataclass(frozen=True, slots=True)
class MemberState:
    """One member as it is at this moment, in this process."""

    name: str
    kind: Kind
    model: str | None  # the server's name for it; None: the only one it has
    group: int
    weight: float
    state: State
    until: float | None  # Unix time up to which it is not asked; None: it is, or nobody knows
    in_flight: int  # requests that are not over
    window: int | None  # how many may wait for their first token; None: as many as come
    requests: int  # attempts, since the process started or the member was changed
    answered: int  # of these
    failures: Mapping[str, int]  # of these, by fault
    last_error: str | None
    first_token_p50: float | None  # seconds, of the last hundred answers


@dataclass(frozen=True, slots=True)
class MemberCheck:
    """What a member said when it was asked something cheap."""

    name: str
    kind: Kind
    seconds: float
    error: str | None  # None: it answered
