"""What every place for uploaded files does, whatever it is made of."""

from __future__ import annotations

import asyncio
import hashlib
import re
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from buckets import BUCKET, CREDENTIALS, open_gateway, open_server

from ragstone.domain import Asker
from ragstone.errors import ObjectNotFoundError
from ragstone.fakes.objects import MemoryObjects
from ragstone.ports import Objects
from ragstone.storage.database import Database
from ragstone.storage.objects.bucket import Bucket, BucketObjects
from ragstone.storage.objects.parts import PartsObjects

pytestmark = pytest.mark.anyio

MIB = 2**20
_numbers = count()


@dataclass(frozen=True)
class Place:
    """Somewhere to keep files."""

    objects: Objects
    tenant: int
    prepare: Callable[[str], Awaitable[None]]  # makes what has to be there before a file of this id is written

    async def key(self, name: str = "file") -> str:
        public_id = f"file-{name}-{next(_numbers)}"
        await self.prepare(public_id)
        return f"{self.tenant}/{public_id}"


async def nothing(public_id: str) -> None:
    pass


@pytest.fixture
def in_memory() -> Place:
    return Place(MemoryObjects(), 7, nothing)


@pytest.fixture
async def in_the_database(anyio_backend: str, database: Database, asker: Asker) -> Place:
    async def add_row(public_id: str) -> None:
        async with database.transaction(asker) as connection:
            await connection.execute(
                "INSERT INTO file (tenant_id, public_id, filename, size, place) VALUES (%s, %s, 'a', 0, 'database')",
                (asker.tenant.id, public_id),
            )

    return Place(PartsObjects(database, asker), asker.tenant.id, add_row)


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with open_server(tmp_path_factory.mktemp("s3")) as port:
        yield port


@pytest.fixture
def in_a_bucket(s3_server: int, tmp_path: Path) -> Iterator[Place]:
    credentials = tmp_path / "credentials"
    credentials.write_text(CREDENTIALS)
    with open_gateway(s3_server) as gateway:
        bucket = Bucket(
            f"s3://{BUCKET}/test-{next(_numbers)}/raw", f"http://127.0.0.1:{gateway.port}", credentials_file=credentials
        )
        yield Place(BucketObjects(bucket), 7, nothing)


@pytest.fixture(params=["in_memory", "in_the_database", "in_a_bucket"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["in_the_database", "in_a_bucket"])
def real_place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(request.param)
    return found


def content(size: int) -> bytes:
    """Bytes that differ from place to place, the same for the same size."""
    block = b"".join(hashlib.sha256(str(number).encode()).digest() for number in range(1_001))
    return (block * (size // len(block) + 1))[:size]


async def pieces(data: bytes, size: int = 65_537) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def whole(objects: Objects, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([piece async for piece in objects.read(key, start, end)])


async def below(objects: Objects, prefix: str) -> list[str]:
    return sorted([key async for key in objects.keys(prefix)])


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB, 20 * MIB + 77])
async def test_what_was_written_is_read_back(place: Place, size: int) -> None:
    key, data = await place.key(), content(size)
    await place.objects.write(key, pieces(data))
    assert await whole(place.objects, key) == data


@pytest.mark.parametrize("size", [1, 3 * MIB, 12 * MIB + 5])
async def test_the_size_of_the_pieces_does_not_matter(place: Place, size: int) -> None:
    key, data = await place.key(), content(12 * MIB + 5 if size > 1 else 4_000)
    await place.objects.write(key, pieces(data, size))
    assert await whole(place.objects, key) == data


async def test_pieces_may_be_empty(place: Place) -> None:
    async def some() -> AsyncIterator[bytes]:
        for piece in (b"", b"one", b"", b" two", b""):
            yield piece

    key = await place.key()
    await place.objects.write(key, some())
    assert await whole(place.objects, key) == b"one two"


RANGES = [
    (0, 1),
    (5, 5),
    (17, 4_711),
    (MIB - 1, MIB + 1),
    (MIB, 2 * MIB),
    (4 * MIB - 3, 8 * MIB + 3),
    (9 * MIB, None),
    (9 * MIB + 76, 9 * MIB + 500),
    (0, 99 * MIB),
    (9 * MIB + 77, None),
    (50 * MIB, 51 * MIB),
    (50 * MIB, None),
]


async def test_a_range_is_a_slice_of_the_content(place: Place) -> None:
    key, data = await place.key(), content(9 * MIB + 77)
    await place.objects.write(key, pieces(data))
    for start, end in RANGES:
        assert await whole(place.objects, key, start, end) == data[start:end], (start, end)


async def test_a_range_of_an_empty_file_is_empty(place: Place) -> None:
    key = await place.key()
    await place.objects.write(key, pieces(b""))
    assert await whole(place.objects, key, 0, 10) == b""
    assert await whole(place.objects, key, 10, None) == b""


async def test_reading_gives_pieces_of_some_mebibytes_at_most(place: Place) -> None:
    key = await place.key()
    await place.objects.write(key, pieces(content(20 * MIB)))
    sizes = [len(piece) async for piece in place.objects.read(key)]
    assert max(sizes) <= 8 * MIB
    assert sum(sizes) == 20 * MIB


async def test_reading_may_be_left_in_the_middle(place: Place) -> None:
    key, data = await place.key(), content(9 * MIB)
    await place.objects.write(key, pieces(data))
    async for piece in place.objects.read(key):
        assert data.startswith(piece)
        break
    assert await whole(place.objects, key) == data


async def test_an_unknown_key_is_not_found(place: Place) -> None:
    for key in (f"{place.tenant}/file-unknown", await place.key(), "999999/file-unknown"):
        for start, end in ((0, None), (3, 5)):
            with pytest.raises(ObjectNotFoundError, match=re.escape(key)):
                await whole(place.objects, key, start, end)


@pytest.mark.parametrize("size", [0, 1_000, 13 * MIB])
async def test_a_write_whose_source_fails_leaves_nothing(place: Place, size: int) -> None:
    async def broken() -> AsyncIterator[bytes]:
        async for piece in pieces(content(size)):
            yield piece
        raise ConnectionResetError("the client went away")

    key = await place.key()
    with pytest.raises(ConnectionResetError, match="the client went away"):
        await place.objects.write(key, broken())
    with pytest.raises(ObjectNotFoundError):
        await whole(place.objects, key)
    assert await below(place.objects, str(place.tenant)) == []


@pytest.mark.parametrize("size", [1_000, 13 * MIB])
async def test_a_cancelled_write_leaves_nothing(place: Place, size: int) -> None:
    waiting = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        async for piece in pieces(content(size)):
            yield piece
        waiting.set()
        await asyncio.sleep(3600)

    key = await place.key()
    task = asyncio.create_task(place.objects.write(key, endless()))
    await waiting.wait()
    assert await below(place.objects, "") in ([], [key])  # on its way, and not to be read
    with pytest.raises(ObjectNotFoundError):
        await whole(place.objects, key)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ObjectNotFoundError):
        await whole(place.objects, key)
    assert await below(place.objects, str(place.tenant)) == []


async def test_files_are_written_and_read_at_the_same_time(place: Place) -> None:
    files = {await place.key(): content(6 * MIB + number) for number in range(8)}
    await asyncio.gather(*(place.objects.write(key, pieces(data)) for key, data in files.items()))
    assert await asyncio.gather(*(whole(place.objects, key) for key in files)) == list(files.values())


async def test_a_key_that_is_written_again_holds_the_new_content(place: Place) -> None:
    key = await place.key()
    for size in (3 * MIB + 5, 8, 2 * MIB):
        await place.objects.write(key, pieces(content(size)))
        assert await whole(place.objects, key) == content(size)


async def test_deleting_removes_these_keys_and_no_others(place: Place) -> None:
    keys = [await place.key() for _ in range(3)]
    for key in keys:
        await place.objects.write(key, pieces(content(MIB + 1)))
    await place.objects.delete(keys[:2])
    assert await below(place.objects, str(place.tenant)) == keys[2:]
    assert await whole(place.objects, keys[2]) == content(MIB + 1)
    with pytest.raises(ObjectNotFoundError):
        await whole(place.objects, keys[0])


async def test_deleting_unknown_keys_is_no_error(place: Place) -> None:
    key = await place.key()
    await place.objects.write(key, pieces(b"x"))
    await place.objects.delete([])
    await place.objects.delete([f"{place.tenant}/file-unknown", key, f"{place.tenant}/file-unknown"])
    await place.objects.delete([key])
    assert await below(place.objects, "") == []


async def test_keys_are_listed_below_whole_segments(place: Place) -> None:
    keys = sorted([await place.key() for _ in range(3)])
    for key in keys:
        await place.objects.write(key, pieces(b"x"))
    assert await below(place.objects, "") == keys
    assert await below(place.objects, str(place.tenant)) == keys
    assert await below(place.objects, f"{place.tenant}/") == keys
    assert await below(place.objects, f"{place.tenant}0") == []
    assert await below(place.objects, str(place.tenant)[:-1] or "0") == []


async def test_every_key_is_listed_when_there_are_many(place: Place) -> None:
    keys = [await place.key() for _ in range(1_003)]
    for start in range(0, len(keys), 50):
        await asyncio.gather(*(place.objects.write(key, pieces(b"x")) for key in keys[start : start + 50]))
    assert await below(place.objects, str(place.tenant)) == sorted(keys)
    await place.objects.delete(keys)
    assert await below(place.objects, str(place.tenant)) == []


async def test_a_check_says_nothing_and_leaves_nothing(place: Place) -> None:
    await place.objects.check()
    await place.objects.check()
    assert await below(place.objects, "") == []


async def test_a_large_file_is_never_whole_in_memory(real_place: Place) -> None:
    async def large() -> AsyncIterator[bytes]:
        piece = content(65_536)
        for _ in range(1_024):
            yield piece

    key = await real_place.key()
    await real_place.objects.write(await real_place.key(), pieces(content(8 * MIB)))  # what is only loaded once
    process_peak = _reset_peak()
    tracemalloc.start()
    try:
        await real_place.objects.write(key, large())
        size = 0
        async for piece in real_place.objects.read(key):
            size += len(piece)
        assert size == 64 * MIB
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()
    if process_peak is not None:  # the bucket's client allocates outside of Python
        assert _peak() - process_peak < 48 * MIB


def _reset_peak() -> int | None:
    """Start measuring the most memory that the process holds; None where the system cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return _peak()


def _peak() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024
