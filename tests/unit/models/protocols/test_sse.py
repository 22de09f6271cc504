"""Events, in whatever pieces they come."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragstone.models.protocols.sse import MOST, Events, TooLongError


def cut(content: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(content) + 1) for place in places), len(content)]
    return [content[start:end] for start, end in pairwise(edges)]


@settings(deadline=None)
@given(st.lists(st.integers(0, 500), max_size=30), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_events_are_put_together(places: list[int], line_break: bytes) -> None:
    stream = b": hi\n\nevent: a\ndata: one\n\ndata:two\ndata:  three\nid: 7\n\n\n\ndata\ndata: [DONE]\n\n"
    events = Events()
    found = [data for piece in cut(stream.replace(b"\n", line_break), places) for data in events.feed(piece)]
    assert [*found, *events.end()] == [b"one", b"two\n three", b"[DONE]"]


def test_an_event_that_the_stream_ended_in_is_not_lost() -> None:
    events = Events()
    assert events.feed(b"data: one") == []
    assert events.end() == [b"one"]
    assert events.end() == []


@pytest.mark.parametrize(
    "content",
    [b"data: " + b"x" * (MOST + 1) + b"\n\n", b"x" * (MOST + 1), b"data: x\n" * MOST],
    ids=["data", "no field", "lines"],
)
def test_an_endless_event_is_given_up(content: bytes) -> None:
    events = Events()
    with pytest.raises(TooLongError):
        for start in range(0, len(content), 65_536):
            events.feed(content[start : start + 65_536])
    assert len(content) >= MOST
