"""When a server wants to be asked again, as its headers say it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MOST = 3600.0  # seconds; what asks for more is asked again after an hour

_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")

# What is limited, how much of it is left, and when there is more: OpenAI and those like it, then Anthropic.
_LIMITED = (
    *((f"x-ratelimit-remaining-{what}", f"x-ratelimit-reset-{what}") for what in ("requests", "tokens")),
    *(
        (f"anthropic-ratelimit-{what}-remaining", f"anthropic-ratelimit-{what}-reset")
        for what in ("requests", "tokens", "input-tokens", "output-tokens")
    ),
)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds until it is worth asking again, 0 to an hour; None: the headers do not say.

    `retry-after-ms` and `retry-after` are meant for this; without them it is when the last of the used-up limits is
    renewed. Names of headers are in lower case.
    """
    found = _seconds(headers.get("retry-after-ms"), _milliseconds, now)
    if found is None:
        found = _seconds(headers.get("retry-after"), _delay, now)
    if found is None:
        found = _last_reset(headers, now)
    return found


def _last_reset(headers: Mapping[str, str], now: datetime) -> float | None:
    """Of the limits that are used up; of all where none says how much is left."""
    known: list[tuple[str | None, float]] = []
    for remaining, reset in _LIMITED:
        seconds = _seconds(headers.get(reset), _reset, now)
        if seconds is not None:
            known.append((headers.get(remaining), seconds))
    used_up = [seconds for left, seconds in known if left is not None and left.strip() in {"0", "0.0"}]
    unsaid = [seconds for left, seconds in known if left is None]
    return max(used_up or unsaid, default=None)


def _seconds(text: str | None, read: Callable[[str, datetime], float], now: datetime) -> float | None:
    if text is None:
        return None
    try:
        seconds = read(text.strip(), now)
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), MOST) if math.isfinite(seconds) else None


def _milliseconds(text: str, _: datetime) -> float:
    return float(text) / 1000


def _delay(text: str, now: datetime) -> float:
    """Seconds or an HTTP date (RFC 9110, 10.2.3)."""
    try:
        return float(text)
    except ValueError:
        return _until(parsedate_to_datetime(text), now)


def _reset(text: str, now: datetime) -> float:
    """A duration such as `6m0s`, a number of seconds, or a moment (RFC 3339)."""
    if _DURATION.fullmatch(text):
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    try:
        return float(text)
    except ValueError:
        return _until(datetime.fromisoformat(text), now)


def _until(moment: datetime, now: datetime) -> float:
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()
