"""Times as answers have them."""

from __future__ import annotations

from datetime import datetime


def seconds_of(time: datetime | None) -> int | None:
    """Whole seconds since 1970; None for never."""
    return None if time is None else int(time.timestamp())
