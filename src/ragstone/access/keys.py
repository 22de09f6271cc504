"""API keys: 256 random bits that are shown once and kept as a hash."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field

PREFIX = "rs-"  # lets scanners for leaked secrets know one when they see it
_HINT = 4  # last characters that are kept to tell keys apart


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key at the only time at which it is known."""

    text: str = field(repr=False)  # what the client shows

    @property
    def hash(self) -> bytes:
        """What is stored."""
        return digest(self.text)

    @property
    def hint(self) -> str:
        """Its last characters."""
        return self.text[-_HINT:]


def new_key() -> NewKey:
    """A key that nobody has seen before."""
    return NewKey(PREFIX + secrets.token_urlsafe(32))


def digest(text: str) -> bytes:
    """SHA-256 of a key: of 256 random bits there is nothing to guess, so nothing that a slow hash would protect."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
