"""A bucket that is not as it should be: every trouble ends in one clear line, and in time."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from buckets import ACCESS_KEY, BUCKET, CREDENTIALS, SECRET, Gateway, open_gateway, open_server

from ragstone.errors import ObjectNotFoundError, ObjectsUnavailableError, SettingsError
from ragstone.storage.objects.bucket import Bucket, BucketObjects
from ragstone.storage.objects.credentials import provider

pytestmark = pytest.mark.anyio

MIB = 2**20
KEY = "7/file-1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s3")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[int]:
    with open_server(folder) as port:
        yield port


@pytest.fixture
def gateway(server: int) -> Iterator[Gateway]:
    with open_gateway(server) as opened:
        yield opened


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    file = tmp_path / "credentials"
    file.write_text(CREDENTIALS)
    return file


@pytest.fixture
def objects(gateway: Gateway, credentials: Path, request: pytest.FixtureRequest) -> BucketObjects:
    return at(gateway.port, credentials, prefix=re.sub(r"\W", "-", request.node.name))


def at(
    port: int, credentials: Path | None, *, bucket: str = BUCKET, prefix: str = "", seconds: float = 1
) -> BucketObjects:
    return BucketObjects(
        Bucket(f"s3://{bucket}/{prefix}", f"http://127.0.0.1:{port}", credentials_file=credentials), seconds=seconds
    )


async def blocks(number: int) -> AsyncIterator[bytes]:
    for _ in range(number):
        yield b"granite " * 2**17


async def whole(objects: BucketObjects, key: str = KEY) -> bytes:
    return b"".join([piece async for piece in objects.read(key)])


async def listed(objects: BucketObjects) -> list[str]:
    return [key async for key in objects.keys("7")]


OPERATIONS: dict[str, Callable[[BucketObjects], Awaitable[object]]] = {
    "write a little": lambda objects: objects.write(KEY, blocks(1)),
    "write much": lambda objects: objects.write(KEY, blocks(12)),
    "read": whole,
    "delete": lambda objects: objects.delete([KEY]),
    "list": listed,
    "check": lambda objects: objects.check(),
}
operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
Operation = Callable[[BucketObjects], Awaitable[object]]


async def refusal(operation: Operation, objects: BucketObjects) -> ObjectsUnavailableError:
    """The error, which comes in time, in one line, with a remedy and without the secret."""
    start = time.monotonic()
    with pytest.raises(ObjectsUnavailableError) as caught:
        await operation(objects)
    assert time.monotonic() - start < 12
    assert caught.value.remedy
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)
    return caught.value


@operation
async def test_a_wrong_secret_is_told(operation: Operation, gateway: Gateway, credentials: Path) -> None:
    credentials.write_text(CREDENTIALS.replace(SECRET, "wrong"))
    error = await refusal(operation, at(gateway.port, credentials))
    assert f"The bucket {BUCKET} refuses: SignatureDoesNotMatch. Check the access key" in str(error)


@operation
async def test_an_unknown_access_key_is_told(operation: Operation, gateway: Gateway, credentials: Path) -> None:
    credentials.write_text(CREDENTIALS.replace(ACCESS_KEY, "somebody-else"))
    assert "InvalidAccessKeyId" in str(await refusal(operation, at(gateway.port, credentials)))


@operation
async def test_a_missing_bucket_is_told(operation: Operation, gateway: Gateway, credentials: Path) -> None:
    error = await refusal(operation, at(gateway.port, credentials, bucket="nowhere"))
    assert str(error) == "The bucket nowhere does not exist. Create it, or correct RAGSTONE_OBJECTS_URL"


@operation
async def test_a_store_that_does_not_run_is_told(operation: Operation, credentials: Path) -> None:
    error = await refusal(operation, at(1, credentials))
    assert "cannot be reached" in str(error)
    assert "RAGSTONE_OBJECTS_ENDPOINT" in str(error)


@operation
async def test_a_store_that_says_nothing_is_given_up(operation: Operation, gateway: Gateway, credentials: Path) -> None:
    gateway.silent_from = ""
    error = await refusal(operation, at(gateway.port, credentials, seconds=0.4))
    assert "cannot be reached" in str(error)


async def test_a_store_that_goes_silent_in_the_middle_of_a_file_is_given_up(
    gateway: Gateway, credentials: Path, objects: BucketObjects
) -> None:
    await objects.write(KEY, blocks(6))
    gateway.stops_after = MIB
    error = await refusal(whole, objects)
    assert "did not answer in time" in str(error)


async def test_a_store_that_takes_no_more_parts_is_given_up_and_shows_nothing(
    gateway: Gateway, objects: BucketObjects
) -> None:
    gateway.silent_from = "PUT"
    await refusal(OPERATIONS["write much"], objects)
    gateway.silent_from = None
    assert await listed(objects) == []


async def test_a_store_that_dies_during_an_upload_is_told(tmp_path: Path, credentials: Path) -> None:
    with ExitStack() as running:
        objects = at(running.enter_context(open_server(tmp_path)), credentials)
        await objects.check()

        async def outliving() -> AsyncIterator[bytes]:
            async for block in blocks(12):
                yield block
            running.close()
            async for block in blocks(12):
                yield block

        await refusal(lambda objects: objects.write(KEY, outliving()), objects)


@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - {"check"}))
async def test_a_hung_up_request_is_made_again(name: str, gateway: Gateway, objects: BucketObjects) -> None:
    operation = OPERATIONS[name]
    await objects.write(KEY, blocks(1))
    gateway.drops = 1
    await operation(objects)
    assert gateway.drops == 0


async def test_a_large_file_goes_up_in_parts_and_a_small_one_at_once(gateway: Gateway, objects: BucketObjects) -> None:
    await objects.write(KEY, blocks(4))
    assert [request.split()[0] for request in gateway.requests] == ["PUT"]
    gateway.requests.clear()
    await objects.write(KEY, blocks(12))
    assert [re.sub(r"/\S+\?|(?<==)[^&]+|uploadId=", "", request) for request in gateway.requests] == [
        "POST uploads=",
        "PUT partNumber=&",
        "PUT partNumber=&",
        "PUT partNumber=&",
        "POST ",
    ]
    assert len(await whole(objects)) == 12 * MIB


async def test_an_upload_that_fails_is_aborted_in_the_bucket(
    gateway: Gateway, objects: BucketObjects, folder: Path
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        async for block in blocks(12):
            yield block
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await objects.write(KEY, broken())
    assert gateway.requests[-1].startswith("DELETE ")
    assert "uploadId=" in gateway.requests[-1]
    assert not [file for file in (folder / BUCKET).rglob("*") if file.is_file() and "multipart" in file.name]


async def test_a_source_that_fails_is_told_even_when_the_bucket_is_gone(
    gateway: Gateway, objects: BucketObjects
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        async for block in blocks(12):
            yield block
        gateway.silent_from = ""
        raise ConnectionResetError("the client went away")

    with pytest.raises(ConnectionResetError, match="the client went away"):
        await objects.write(KEY, broken())


async def test_what_vanishes_while_it_is_read_is_told(objects: BucketObjects) -> None:
    await objects.write(KEY, blocks(9))
    reading = objects.read(KEY)
    await anext(reading)
    await objects.delete([KEY])
    with pytest.raises(ObjectNotFoundError, match="has no file 7/file-1"):
        await anext(reading)


async def test_a_check_is_one_request_that_writes(gateway: Gateway, objects: BucketObjects) -> None:
    await objects.check()
    (request,) = gateway.requests
    assert request.startswith("PUT ")


async def test_credentials_may_come_from_the_environment(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    await at(gateway.port, None).check()


@operation
async def test_missing_credentials_are_told(
    operation: Operation, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")  # this machine has no role
    error = await refusal(operation, at(gateway.port, None))
    assert str(error).startswith(f"There are no credentials for the bucket {BUCKET}. Set ")
    assert gateway.requests == []


def test_a_credentials_file_is_read_again(credentials: Path) -> None:
    ask = provider(credentials)
    first = ask()
    credentials.write_text(CREDENTIALS.replace(SECRET, "rotated") + "aws_session_token = token")
    second = ask()
    assert (first["secret_access_key"], second["secret_access_key"]) == (SECRET, "rotated")
    assert (first.get("token"), second.get("token")) == (None, "token")
    assert first["expires_at"] is not None
    assert first["expires_at"] - datetime.now(UTC) <= timedelta(minutes=5)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (None, "No such file"),
        ("", "default is missing"),
        ("[default]\naws_access_key_id = a", "aws_secret_access_key is missing"),
        ("[default]\nnot-a-secret", "no credentials file"),
        ("not-a-secret", "no credentials file"),
        (CREDENTIALS + "aws_secret_access_key = not-a-secret", "no credentials file"),
    ],
)
def test_a_credentials_file_that_does_not_fit_is_told_without_its_content(
    tmp_path: Path, written: str | None, said: str
) -> None:
    file = tmp_path / "credentials"
    if written is not None:
        file.write_text(written)
    with pytest.raises(SettingsError) as caught:
        at(1, file)
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("url", ["", "bucket", "https://host/bucket", "s3://", "s3:///prefix", "s3://bucket?region=x"])
def test_a_url_that_names_no_bucket_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="s3://bucket/prefix"):
        BucketObjects(Bucket(url))
