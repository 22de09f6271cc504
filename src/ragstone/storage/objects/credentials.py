"""The credentials of a bucket, read from a file again and again, so that a mounted secret can be rotated."""

from __future__ import annotations

import configparser
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ragstone.errors import SettingsError

if TYPE_CHECKING:
    from obstore.store import S3Credential

_FRESH = timedelta(minutes=5)  # how long a rotated secret may go unnoticed


def provider(file: Path) -> Callable[[], S3Credential]:
    """What the bucket's client asks for credentials.

    The file has the format of Amazon's own: a section `[default]` with `aws_access_key_id`, `aws_secret_access_key`
    and perhaps `aws_session_token`.

    Raises:
        SettingsError: The file cannot be read, or lacks one of them.
    """
    _read(file)
    return lambda: _read(file)


def _read(file: Path) -> S3Credential:
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read_string(file.read_text(encoding="utf-8"))
        section = parser["default"]
        return {
            "access_key_id": section["aws_access_key_id"],
            "secret_access_key": section["aws_secret_access_key"],
            "token": section.get("aws_session_token"),
            "expires_at": datetime.now(UTC) + _FRESH,
        }
    except OSError as error:
        why = error.strerror or "it cannot be opened"
    except (UnicodeDecodeError, configparser.Error):
        why = "it is no credentials file"  # the parser's own words would quote the secret
    except KeyError as error:
        why = f"{error.args[0]} is missing"
    raise SettingsError(
        f"The credentials file {file} cannot be used",
        why=why,
        remedy="Write [default], and below it aws_access_key_id and aws_secret_access_key",
    )
