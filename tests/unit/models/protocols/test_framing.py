"""Where answers end, in whatever pieces they come."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragstone.models.protocols.http.framing import MOST_HEAD, Framing, MalformedError
from ragstone.models.protocols.sse import MOST, Events, TooLongError

CHUNKED = (
    b"HTTP/1.1 100 Continue\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-A: 1\r\nx-a:  2\t\r\nTransfer-Encoding: Chunked\r\n\r\n"
    b"5\r\nHello\r\n1;ext=1\r\n,\r\nA\r\n\r\n you all\r\n0\r\nx-trailer: y\r\n\r\n"
)
DECLARED = b"HTTP/1.1 429 \r\ncontent-length: 7\r\n\r\nwait!\r\n"
ENDED = b"HTTP/1.0 200 OK\r\n\r\nuntil the end"


def cut(content: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(content) + 1) for place in places), len(content)]
    return [content[start:end] for start, end in pairwise(edges)]


def read(pieces: Sequence[bytes]) -> tuple[Framing, bytes]:
    framing = Framing()
    for piece in pieces:
        framing.feed(piece)
    return framing, bytes(framing.body)


@settings(deadline=None)
@given(st.lists(st.integers(0, 500), max_size=30))
def test_chunks_are_put_together(places: list[int]) -> None:
    framing, body = read(cut(CHUNKED, places))
    assert framing.head
    assert (framing.head.status, framing.head.headers["x-a"]) == (200, "1, 2")
    assert body == b"Hello,\r\n you all"
    assert framing.done
    assert framing.reusable


@settings(deadline=None)
@given(st.lists(st.integers(0, 500), max_size=10))
def test_a_declared_length_is_the_length(places: list[int]) -> None:
    framing, body = read(cut(DECLARED, places))
    assert framing.head
    assert (framing.head.status, body, framing.reusable) == (429, b"wait!\r\n", True)


@settings(deadline=None)
@given(st.lists(st.integers(0, 500), max_size=10))
def test_what_has_no_length_ends_with_the_connection(places: list[int]) -> None:
    framing, body = read(cut(ENDED, places))
    assert (body, framing.done) == (b"until the end", False)
    assert framing.close()
    assert not framing.reusable


@pytest.mark.parametrize("whole", [CHUNKED, DECLARED], ids=["chunked", "declared"])
def test_what_is_cut_short_is_not_whole(whole: bytes) -> None:
    for length in range(len(whole)):
        framing, _ = read([whole[:length]])
        assert not framing.close(), length


@pytest.mark.parametrize("status", [204, 304])
def test_some_answers_have_no_body(status: int) -> None:
    assert read([b"HTTP/1.1 %d X\r\n\r\n" % status])[0].reusable


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nconnection: Close\r\n", b"HTTP/1.0 200 OK\r\n"])
def test_a_server_that_closes_is_not_asked_again_on_the_same_connection(head: bytes) -> None:
    framing, _ = read([head + b"content-length: 0\r\n\r\n"])
    assert framing.done
    assert not framing.reusable


def test_more_than_the_answer_spoils_the_connection() -> None:
    framing, _ = read([DECLARED + b"HTTP/1.1 200 OK\r\n"])
    assert framing.done
    assert not framing.reusable


@pytest.mark.parametrize(
    "content",
    [
        b"SSH-2.0-OpenSSH",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nfolded: a\r\n b: c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 3, 4\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * MOST_HEAD,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"1" * (MOST_HEAD + 1),
    ],
    ids=lambda content: repr(content[-40:]),
)
def test_what_is_not_http_is_malformed(content: bytes) -> None:
    with pytest.raises(MalformedError):
        read([content])


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", CHUNKED[:130], DECLARED[:20]]))
def test_no_bytes_lead_to_any_other_error(content: bytes, before: bytes) -> None:
    with suppress(MalformedError):
        read([before, content])


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
