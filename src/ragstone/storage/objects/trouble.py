"""What a bucket's errors mean, and what to do about them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import BaseError

from ragstone.errors import ObjectNotFoundError, ObjectsUnavailableError

# The error document of S3, and the status, as both stand in the client's messages.
_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
_SYSTEM = re.compile(r'(?:message|error): "([^"\n]+)"')  # such as "Connection refused"
_ROLE = re.compile(r"/latest/(?:api/token|meta-data)")  # asked of the machine when no credentials are given
_TIMEOUT = re.compile(r"kind: Timeout|timed out")
_REFUSED = frozenset({"401", "403"})


@contextmanager
def spoken(bucket: str, key: str = "") -> Iterator[None]:
    """Errors of the client come out as Ragstone's own; `key` is what is read, if something is.

    Raises:
        ObjectNotFoundError: The bucket is there and the key is not.
        ObjectsUnavailableError: Anything else.
    """
    try:
        yield
    except (BaseError, OSError) as error:  # what the client's writer meets is an OSError
        raise _translated(error, bucket, key) from None


def beyond_the_end(error: BaseError) -> bool:
    """Whether a range begins behind the last byte."""
    return _found(_STATUS, error) == "416"


def _translated(error: Exception, bucket: str, key: str) -> ObjectNotFoundError | ObjectsUnavailableError:
    code, status = _found(_CODE, error), _found(_STATUS, error)
    if code == "NoSuchBucket":
        return ObjectsUnavailableError(
            f"The bucket {bucket} does not exist", remedy="Create it, or correct RAGSTONE_OBJECTS_URL"
        )
    if key and isinstance(error, FileNotFoundError):
        return ObjectNotFoundError(f"The bucket {bucket} has no file {key}")
    if _ROLE.search(str(error)):
        return ObjectsUnavailableError(
            f"There are no credentials for the bucket {bucket}",
            remedy="Set RAGSTONE_OBJECTS_CREDENTIALS_FILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    if status in _REFUSED:
        return ObjectsUnavailableError(
            f"The bucket {bucket} refuses",
            why=code or f"status {status}",
            remedy="Check the access key and its secret; they must allow to list, read, write and delete objects",
        )
    return ObjectsUnavailableError(
        f"The bucket {bucket} cannot be reached",
        why=code or (f"status {status}" if status else _silence(error)),
        remedy="Check RAGSTONE_OBJECTS_ENDPOINT and the network, and that the object store runs",
    )


def _silence(error: Exception) -> str:
    """Why there was no answer."""
    message = str(error)
    if _TIMEOUT.search(message):
        return "it did not answer in time"
    # Before the last dash of the first line stand the request and its retries, behind it what happened to them.
    return _found(_SYSTEM, error) or message.split("\n", 1)[0].rsplit(" - ", 1)[-1]


def _found(pattern: re.Pattern[str], error: Exception) -> str:
    match = pattern.search(str(error))
    return match[1] if match else ""
