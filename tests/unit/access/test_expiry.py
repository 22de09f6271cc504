"""Times as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ragstone.access.expiry import beginning_of, end_of, span_of
from ragstone.errors import InvalidRequestError

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("90d", NOW + timedelta(days=90)),
        (" 24h ", NOW + timedelta(hours=24)),
        ("30m", NOW + timedelta(minutes=30)),
        ("2w", NOW + timedelta(weeks=2)),
        ("2027-01-01", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2027-01-01T06:30", datetime(2027, 1, 1, 6, 30, tzinfo=UTC)),
        ("2027-01-01T06:30:00+02:00", datetime(2027, 1, 1, 4, 30, tzinfo=UTC)),
    ],
)
def test_an_end_is_a_length_of_time_or_a_date(text: str, end: datetime) -> None:
    assert end_of(text, NOW) == end


@pytest.mark.parametrize(
    "text",
    ["", "soon", "0d", "-1d", "1.5h", "90", "d", "1y", "999999w", "٣d", "2027-13-01", "2026-11-20", "2020-01-01"],
)
def test_what_is_no_time_to_come_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        end_of(text, NOW, "expires")
    assert raised.value.remedy
    assert raised.value.param == "expires"


@pytest.mark.parametrize("text", ["2027-01-01", "", "tomorrow"])
def test_an_overlap_is_a_length_of_time(text: str) -> None:
    with pytest.raises(InvalidRequestError, match="length of time"):
        span_of(text)


def test_a_beginning_lies_back() -> None:
    assert beginning_of("24h", NOW) == NOW - timedelta(days=1)
    assert beginning_of("2020-01-01", NOW) == datetime(2020, 1, 1, tzinfo=UTC)
    with pytest.raises(InvalidRequestError):
        beginning_of("yesterday", NOW)
