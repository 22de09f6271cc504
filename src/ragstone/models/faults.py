"""What can go wrong with one member of the pool, as the pool has to tell it apart."""

from __future__ import annotations

from enum import StrEnum

from ragstone.domain import Usage
from ragstone.errors import RagstoneError


class Fault(StrEnum):
    """What went wrong with a member."""

    CONNECT = "connect"  # no connection, or it ended before there was an answer; TLS and names included
    TIMEOUT_FIRST = "timeout_first"
    TIMEOUT_BETWEEN = "timeout_between"
    TIMEOUT_TOTAL = "timeout_total"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    GARBAGE = "garbage"  # it answers, but not what its protocol says
    CUT = "cut"  # the answer ended before its end
    REFUSED = "refused"  # the request as it is; another one may be answered
    TOO_LONG = "too_long"  # the same, because it does not fit the window
    UNAUTHORIZED = "unauthorized"
    UNKNOWN_MODEL = "unknown_model"


class MemberError(RagstoneError):
    """One member of the pool did not answer; never holds a key, a prompt or an answer."""

    def __init__(
        self,
        what: str,
        *,
        fault: Fault,
        why: str = "",
        retry_after: float | None = None,
        said: bool = False,
        usage: Usage | None = None,
    ) -> None:
        """Say also in how many seconds the server wants to be asked again, and how far it came."""
        super().__init__(what, why=why)
        self.fault = fault
        self.retry_after = retry_after
        self.said = said  # whether a piece had been yielded before
        self.usage = usage or Usage(calls=1)  # what the attempt has cost, estimated where the server did not tell
