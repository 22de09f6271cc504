"""Forms with files are read piece by piece, however the network cuts them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from itertools import pairwise

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect

from ragstone.api.uploads import Form
from ragstone.errors import InvalidRequestError

pytestmark = pytest.mark.anyio

BOUNDARY = "b0undary"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def body(*parts: tuple[str, bytes], end: str = f"--{BOUNDARY}--\r\n") -> bytes:
    """A form of parts with these dispositions and contents."""
    written = [
        f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + content + b"\r\n"
        for disposition, content in parts
    ]
    return b"".join(written) + end.encode()


async def stream(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def read(content: bytes, *, cuts: Sequence[int] = ()) -> list[tuple[str, str | None, bytes]]:
    ends = sorted({cut % (len(content) + 1) for cut in cuts} | {0, len(content)})
    pieces = [content[start:end] for start, end in pairwise(ends)]
    form = Form(CONTENT_TYPE, stream([*pieces, b""]))
    found = []
    while (part := await form.next()) is not None:
        found.append((part.name, part.filename, b"".join([piece async for piece in part.pieces()])))
    return found


PARTS = st.lists(st.binary(max_size=200), min_size=1, max_size=4)


@given(PARTS, st.lists(st.integers(min_value=0, max_value=2000), max_size=12))
@settings(max_examples=150, deadline=None)
def test_the_parts_are_the_same_wherever_the_body_is_cut(contents: list[bytes], cuts: list[int]) -> None:
    contents = [content.replace(b"--" + BOUNDARY.encode(), b"") for content in contents]
    parts = [(f'form-data; name="f{n}"; filename="{n}.bin"', content) for n, content in enumerate(contents)]
    expected = [(f"f{n}", f"{n}.bin", content) for n, content in enumerate(contents)]
    assert anyio.run(lambda: read(body(*parts), cuts=cuts)) == expected


async def test_a_field_without_a_file_name_is_no_file() -> None:
    content = body(('form-data; name="purpose"', b"assistants"), ('form-data; name="file"; filename=""', b""))
    assert await read(content) == [("purpose", None, b"assistants"), ("file", "", b"")]


async def test_names_are_read_as_utf_8() -> None:
    content = body(('form-data; name="file"; filename="Übergröße \\"x\\" 東京.md"', b"x"))
    assert await read(content) == [("file", 'Übergröße "x" 東京.md', b"x")]


async def test_what_is_left_of_a_part_is_skipped() -> None:
    content = body(('form-data; name="a"', b"1" * 1000), ('form-data; name="b"', b"2"))
    form = Form(CONTENT_TYPE, stream([content[i : i + 64] for i in range(0, len(content), 64)]))
    first = await form.next()
    second = await form.next()
    assert first is not None
    assert second is not None
    assert (first.name, second.name, await second.text()) == ("a", "b", "2")
    assert await form.next() is None


async def test_what_stands_behind_the_last_boundary_is_read_and_thrown_away() -> None:
    left = stream([body(('form-data; name="a"', b"1")), b"epilogue" * 100])
    form = Form(CONTENT_TYPE, left)
    while await form.next() is not None:
        pass
    assert await anext(left, None) is None


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "multipart/form-data", "multipart/form-data; boundary=", "multipart/mixed; boundary=x"],
)
async def test_what_is_no_form_is_refused(content_type: str) -> None:
    with pytest.raises(InvalidRequestError, match="multipart/form-data"):
        Form(content_type, stream([]))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "breaks off"),
        (b"something else", "boundary"),
        (body(('form-data; name="a"', b"1"), end=""), "breaks off"),
        (body(('form-data; name="a"', b"1"))[:40], "breaks off"),
        (body(("form-data", b"1")), "no name"),
        (body(("attachment; name=a", b"1")), "no name"),
        (f"--{BOUNDARY}\r\n\r\nx\r\n--{BOUNDARY}--\r\n".encode(), "no name"),
        (f"--{BOUNDARY}\r\nbad header\r\n\r\n".encode(), "invalid character"),
        (body(('form-data; name="' + "a" * 5000 + '"', b"1")), "header size"),
        (body(*[('form-data; name="a"', b"")] * 2001), "2,000 parts"),
    ],
)
async def test_a_malformed_form_is_refused_with_its_reason(content: bytes, why: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"(?i){why}"):
        await read(content, cuts=[17])


async def test_a_client_that_goes_away_ends_the_form() -> None:
    async def gone() -> AsyncIterator[bytes]:
        yield body(('form-data; name="file"; filename="a"', b"half"), end="")[:-4]
        raise ClientDisconnect

    form = Form(CONTENT_TYPE, gone())
    part = await form.next()
    assert part is not None
    with pytest.raises(InvalidRequestError, match="closed"):
        async for _ in part.pieces():
            pass


@pytest.mark.parametrize("sizes", [[600_000], [200_000] * 3, [1] * 1000 + [512 * 1024 - 1000, 1]])
async def test_long_fields_that_are_no_files_are_not_held_in_memory(sizes: list[int]) -> None:
    *fitting, last = [('form-data; name="a"', b"x" * size) for size in sizes]
    form = Form(CONTENT_TYPE, stream([body(*fitting, last)]))
    for _ in fitting:
        part = await form.next()
        assert part is not None
        await part.text()
    part = await form.next()
    assert part is not None
    with pytest.raises(InvalidRequestError, match=r"too long: .* at most 524,288 bytes"):
        await part.text()
