"""What a server's complaint means for the pool."""

from __future__ import annotations

import json
import os
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ragstone.models.faults import Fault, MemberError
from ragstone.models.protocols.deadlines import Deadlines
from ragstone.models.protocols.waiting import retry_after

_MOST_SHOWN = 200  # characters of what a server says
_REPEATED = 24  # characters; as many in a row of the prompt are no coincidence

_TOO_LONG = re.compile(
    r"context[_ ]length|context[_ ]size|context[_ ]window|maximum[_ ]context|prompt is too long|input is too long|"
    r"too large to process|too many (?:input )?tokens|max_new_tokens|reduce the length",
    re.IGNORECASE,
)
_UNPAID = re.compile(r"insufficient_quota|credit balance|billing_hard_limit", re.IGNORECASE)
_UNKNOWN = re.compile(r"model_not_found|DeploymentNotFound", re.IGNORECASE)
# A prompt that is not taken: OpenRouter moderates before some models (openrouter.ai/docs/api/reference/errors) ...
_FLAGGED = re.compile(r"flagged|moderation|content[_ -]?(?:policy|filter)", re.IGNORECASE)
# ... which is not that nothing is taken any more, as Azure says it in the same words.
_BLOCKED = re.compile(
    r"\b(?:account|organi[sz]ation|project|resource|subscription)\b[^.]*\b(?:blocked|disabled|flagged|suspended)\b",
    re.IGNORECASE,
)

_STATUSES = {
    400: Fault.REFUSED,
    401: Fault.UNAUTHORIZED,
    402: Fault.UNAUTHORIZED,  # not paid
    403: Fault.UNAUTHORIZED,
    404: Fault.UNKNOWN_MODEL,
    405: Fault.UNKNOWN_MODEL,  # the address is that of something else
    408: Fault.SERVER_ERROR,
    410: Fault.UNKNOWN_MODEL,
    413: Fault.TOO_LONG,
    429: Fault.RATE_LIMITED,
    503: Fault.OVERLOADED,
    529: Fault.OVERLOADED,  # Anthropic's
}
# What errors inside a stream have instead of a status.
_KINDS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "overloaded_error": 529,
    "exceed_context_size_error": 400,
    "context_length_exceeded": 400,
}


@dataclass(frozen=True, slots=True)
class Speaker:
    """Whose trouble it is, and what must not be repeated of it."""

    name: str  # of the member
    hidden: Callable[[str], str]  # the text without the key
    prompt: str = ""


def refusal(speaker: Speaker, status: int, headers: Mapping[str, str], body: bytes) -> MemberError:
    """What an answer that is not 200 means."""
    said = _said(body)
    fault = _fault(status, said, body)
    waits = fault in {Fault.RATE_LIMITED, Fault.OVERLOADED}
    seconds = retry_after(headers, datetime.now(UTC)) if waits else None
    return MemberError(
        f"The model {speaker.name} answers with status {status}",
        why=_shown(said, speaker),
        fault=fault,
        retry_after=seconds,
    )


def stream_error(speaker: Speaker, error: object) -> MemberError:
    """What an error inside a stream means."""
    body = json.dumps({"error": error}).encode()
    said = _said(body)
    status = 500
    if isinstance(error, dict):
        names = [str(error.get(field)) for field in ("code", "type", "status", "status_code")]
        statuses = [int(name) for name in names if name.isascii() and name.isdigit() and len(name) == len("500")]
        statuses += [_KINDS[name] for name in names if name in _KINDS]
        status = statuses[0] if statuses else status
    what = f"The model {speaker.name} ends its answer with an error"
    return MemberError(what, why=_shown(said, speaker), fault=_fault(status, said, body))


def no_connection(speaker: Speaker, error: OSError) -> MemberError:
    """Nobody could be asked."""
    return MemberError(f"The model {speaker.name} cannot be reached", why=_reason(error), fault=Fault.CONNECT)


def garbage(speaker: Speaker, why: str) -> MemberError:
    """It answers, but not what its protocol says."""
    return MemberError(f"The model {speaker.name} does not answer as it should", why=why, fault=Fault.GARBAGE)


def too_slow(speaker: Speaker, deadlines: Deadlines) -> MemberError:
    """One of its deadlines has passed."""
    fault, why = deadlines.fault()
    return MemberError(f"The model {speaker.name} is too slow", why=why, fault=fault)


def cut(speaker: Speaker) -> MemberError:
    """It ended before the end."""
    return MemberError(f"The model {speaker.name} broke off", why="its answer has no end", fault=Fault.CUT)


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS fails ({(error.reason or 'no reason given').replace('_', ' ').lower()})"
    if isinstance(error, TimeoutError):
        return "there was no connection in time"
    if error.errno is not None and error.errno > 0:  # those of names are negative
        return os.strerror(error.errno)
    hung_up = "it hung up" if isinstance(error, ConnectionError) else type(error).__name__
    return error.strerror or str(error) or hung_up


def _fault(status: int, said: str, body: bytes) -> Fault:
    if 300 <= status < 400:  # noqa: PLR2004 - redirects are not followed: they could lead the key anywhere
        return Fault.GARBAGE
    # Some tell it beside their words, in metadata.
    is_flagged = status == 403 and _FLAGGED.search(body.decode("utf-8", "replace"))  # noqa: PLR2004
    if is_flagged and not _BLOCKED.search(said):
        return Fault.REFUSED
    if status in {400, 402, 404, 413, 422, 429, 500}:
        for words, fault in (
            (_TOO_LONG, Fault.TOO_LONG),
            (_UNPAID, Fault.UNAUTHORIZED),
            (_UNKNOWN, Fault.UNKNOWN_MODEL),
        ):
            if words.search(said) and not (fault is Fault.TOO_LONG and status == 429):  # noqa: PLR2004
                return fault
    return _STATUSES.get(status, Fault.REFUSED if status < 500 else Fault.SERVER_ERROR)  # noqa: PLR2004


def _said(body: bytes) -> str:
    """Message, type and code of an error as OpenAI, Anthropic, vLLM, KServe or FastAPI shape it."""
    text = body.decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    found = value.get("error", value) if isinstance(value, dict) else value
    if not isinstance(found, dict):
        return str(found)
    parts = [found.get(field) for field in ("message", "detail", "type", "code")]
    return " ".join(str(part) for part in parts if isinstance(part, str | int)) or "no reason given"


def _shown(said: str, speaker: Speaker) -> str:
    """What may be told of it: no key, nothing that was asked, and not much."""
    text = " ".join(speaker.hidden(said).split())
    text = "".join(character for character in text if character.isprintable())[:_MOST_SHOWN].rstrip(". ")
    prompt = " ".join(speaker.prompt.split())
    windows = range(max(0, len(text) - _REPEATED + 1))
    if prompt and any(text[start : start + _REPEATED] in prompt for start in windows):
        return "it repeats what it was asked, which is not shown here"
    return text
