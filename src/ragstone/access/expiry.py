"""Times and lengths of time, as people write them for keys and for the audit log."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from ragstone.errors import InvalidRequestError

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_SPAN = re.compile(r"([1-9]\d{0,5})([mhdw])", re.ASCII)
_LONGEST = timedelta(days=36_525)  # a century


def span_of(text: str, param: str | None = None) -> timedelta:
    """The length of time that `90d` says, or `30m`, `24h`, `2w`.

    Raises:
        InvalidRequestError: It is no length of time, or longer than a century.
    """
    match = _SPAN.fullmatch(text.strip())
    if match is None or (span := int(match[1]) * _UNITS[match[2]]) > _LONGEST:
        raise InvalidRequestError(
            f"{text!r} is no length of time", remedy="Write a number with m, h, d or w, such as 24h or 90d", param=param
        )
    return span


def end_of(text: str, now: datetime, param: str | None = None) -> datetime:
    """The time that is meant by a length of time from now on, or by a date, perhaps with a time; UTC if it is not said.

    Raises:
        InvalidRequestError: It is none of these, or it is over.
    """
    end = now + span_of(text, param) if _SPAN.fullmatch(text.strip()) else _time_of(text, param)
    if end <= now:
        raise InvalidRequestError(f"{text} is over", remedy="Name a time that is still to come", param=param)
    return end


def beginning_of(text: str, now: datetime, param: str | None = None) -> datetime:
    """The time that is meant by a length of time before now, or by a date, perhaps with a time; UTC if it is not said.

    Raises:
        InvalidRequestError: It is none of these.
    """
    return now - span_of(text, param) if _SPAN.fullmatch(text.strip()) else _time_of(text, param)


def _time_of(text: str, param: str | None) -> datetime:
    try:
        time = datetime.fromisoformat(text.strip())
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidRequestError(
            f"{text!r} is no time",
            remedy="Write a length of time such as 90d, or a date such as 2027-01-01",
            param=param,
        ) from None
