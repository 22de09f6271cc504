"""Uploaded files in a bucket that speaks S3, with the extra `ragstone[s3]`.

A write is one request, or from 5 MiB on a multipart upload that is aborted when it does not come to its end; a process
that is killed in the middle leaves parts that no listing shows. A lifecycle rule of the bucket that removes incomplete
multipart uploads after a day takes care of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from ragstone.errors import SettingsError
from ragstone.storage.objects.credentials import provider
from ragstone.storage.objects.trouble import beyond_the_end, spoken

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config

_PART = 5 * 2**20  # bytes; the least that S3 takes as a part, and with its 10,000 parts enough for 48 GiB
_STEP = 4 * 2**20  # bytes asked for at once: a slow reader keeps no connection waiting
_PAGE = 1_000  # keys; what S3 lists and deletes at once
_CONNECT_SECONDS = 5
_CHECK_SECONDS = 5
_RETRIES = 3
_CHECKED = ".ragstone-check"  # written by `check`, never listed


@dataclass(frozen=True, slots=True)
class Bucket:
    """Which bucket, and how it is reached."""

    url: str  # s3://bucket/prefix; the prefix may be missing
    endpoint: str | None = None  # None: Amazon's, of the region
    region: str = "us-east-1"
    credentials_file: Path | None = None  # None: from the AWS_ variables, a web identity, or the machine's role
    path_style: bool = True  # False: the bucket's name is part of the host name


class BucketObjects:
    """The port `Objects` in a bucket; one for all tenants of a process."""

    def __init__(self, bucket: Bucket, *, seconds: float = 60) -> None:
        """Nothing is asked of the bucket yet.

        `seconds` is how long one request may take, of at most 5 MiB; a bucket that stalls is given up after twice that.

        Raises:
            SettingsError: The URL or the credentials file does not fit.
        """
        self._name, prefix = _parsed(bucket.url)
        self._store = _store(bucket, self._name, prefix, seconds=seconds, retries=_RETRIES)
        self._checked = _store(bucket, self._name, prefix, seconds=min(seconds, _CHECK_SECONDS), retries=0)

    async def write(self, key: str, pieces: AsyncIterator[bytes]) -> None:
        """Store what the pieces make together, holding two parts in memory.

        Raises:
            ObjectsUnavailableError: The bucket cannot be reached or refuses.
        """
        writer = obstore.open_writer_async(self._store, key, buffer_size=_PART, max_concurrency=1)
        try:
            async for piece in pieces:
                with spoken(self._name):
                    await writer.write(piece)
        except BaseException as error:
            # This aborts the upload. Where even that fails, the first error is the one to tell.
            with suppress(BaseError, OSError):
                await writer.__aexit__(type(error), error, error.__traceback__)
            raise
        with spoken(self._name):
            await writer.close()

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """`content[start:end]`, 4 MiB at a time, each by a request of its own.

        Raises:
            ObjectNotFoundError: There is nothing under this key.
            ObjectsUnavailableError: The bucket cannot be reached or refuses.
        """
        while end is None or start < end:
            behind = start + _STEP if end is None else min(start + _STEP, end)
            with spoken(self._name, key):
                try:
                    found = await obstore.get_async(self._store, key, options={"range": (start, behind)})
                except BaseError as error:
                    if beyond_the_end(error):
                        return
                    raise
                piece = bytes(await found.bytes_async())
            yield piece
            start += len(piece)
            end = found.meta["size"] if end is None else min(end, found.meta["size"])

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove what lies under these keys, a thousand a request.

        Raises:
            ObjectsUnavailableError: The bucket cannot be reached or refuses.
        """
        with spoken(self._name):
            await obstore.delete_async(self._store, list(keys))

    async def keys(self, prefix: str) -> AsyncIterator[str]:
        """All keys below the prefix.

        Raises:
            ObjectsUnavailableError: The bucket cannot be reached or refuses.
        """
        with spoken(self._name):
            async for page in obstore.list(self._store, prefix or None, chunk_size=_PAGE):
                for found in page:
                    if found["path"] != _CHECKED:
                        yield found["path"]

    async def check(self) -> None:
        """Write an empty object: one request that shows the bucket, the credentials and the right to write.

        Raises:
            ObjectsUnavailableError: The bucket cannot be reached within 5 seconds, or refuses.
        """
        with spoken(self._name):
            await obstore.put_async(self._checked, _CHECKED, b"")


def _parsed(url: str) -> tuple[str, str | None]:
    """Name of the bucket, and the prefix in it."""
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment:
        raise SettingsError(
            f"{url} is no bucket", remedy="Write s3://bucket or s3://bucket/prefix, and the host as the endpoint"
        )
    return parts.netloc, parts.path.strip("/") or None


def _store(bucket: Bucket, name: str, prefix: str | None, *, seconds: float, retries: int) -> S3Store:
    config: S3Config = {"region": bucket.region, "virtual_hosted_style_request": not bucket.path_style}
    client: ClientConfig = {
        "timeout": timedelta(seconds=seconds),
        "connect_timeout": timedelta(seconds=min(seconds, _CONNECT_SECONDS)),
    }
    if bucket.endpoint:
        config["endpoint"] = bucket.endpoint.rstrip("/")
        client["allow_http"] = bucket.endpoint.startswith("http://")
    retry: RetryConfig = {"max_retries": retries, "retry_timeout": timedelta(seconds=seconds)}
    return S3Store(
        name,
        prefix=prefix,
        config=config,
        client_options=client,
        retry_config=retry,
        credential_provider=provider(bucket.credentials_file) if bucket.credentials_file else None,
    )
