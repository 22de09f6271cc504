"""Why nobody answers, in a few words without a server's own."""

from __future__ import annotations

from collections.abc import Iterable

from ragstone.errors import ModelUnavailableError, PromptRefusedError, PromptTooLongError, RagstoneError
from ragstone.models.faults import Fault, MemberError
from ragstone.models.pool.choose import Bar

_REMEDY = "`ragstone models` shows the state of each"
_WORDS = {
    Fault.TIMEOUT_FIRST: "too slow",
    Fault.TIMEOUT_BETWEEN: "too slow",
    Fault.TIMEOUT_TOTAL: "too slow",
    Fault.CONNECT: "cannot be reached",
    Fault.GARBAGE: "does not speak its protocol",
    Fault.CUT: "broke off",
    Fault.UNAUTHORIZED: "does not accept the key",
    Fault.UNKNOWN_MODEL: "does not know the model",
    Bar.OPEN: "has failed too often",
    Bar.COOLING: "has asked for a pause",
    Bar.SPENT: "at its limit for this minute",
    Bar.BUSY: "busy",
    Bar.STARTING: "busy",
    Bar.UNFIT: "cannot do this",
}


def in_words(reason: Fault | Bar) -> str:
    """What is wrong with a member."""
    return _WORDS.get(reason, reason.replace("_", " "))


def ending(errors: Iterable[MemberError], why: str, retry_after: float | None) -> RagstoneError:
    """What is told to who asked, when a request was tried on these members and there is no other."""
    last = {error.fault: error for error in errors}
    if Fault.TOO_LONG in last:
        return PromptTooLongError("The prompt does not fit any model's window", why=last[Fault.TOO_LONG].what)
    if Fault.REFUSED in last:
        refusal = last[Fault.REFUSED]
        return PromptRefusedError(refusal.what, why=refusal.why)
    why = why or "none is configured for this"
    return ModelUnavailableError("No model answers", why=why, remedy=_REMEDY, retry_after=retry_after)
