"""Keeps an issuer's keys at hand: fresh enough for rotation, old enough for an outage."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable

from ragstone.access.claims import refusal
from ragstone.access.keyset import Key, find
from ragstone.errors import IssuerUnavailableError

FRESH_SECONDS = 300.0  # a key that the issuer withdraws is refused after this time
STALE_SECONDS = 86_400.0  # how long keys serve while the issuer cannot be reached; few tokens live longer
PAUSE_SECONDS = 5.0  # between two fetches at least, so that tokens with invented keys cannot make us hammer the issuer

_log = logging.getLogger(__name__)


class PublishedKeys:
    """The keys of one issuer. One fetch at a time serves everybody who waits for it."""

    def __init__(self, fetch: Callable[[], Awaitable[tuple[Key, ...]]], clock: Callable[[], float]) -> None:
        """`fetch` raises IssuerUnavailableError; `clock` counts seconds and never goes back."""
        self._fetch = fetch
        self._clock = clock
        self._keys: tuple[Key, ...] = ()
        self._fetched_at = -math.inf
        self._attempted_at = -math.inf
        self._failure: IssuerUnavailableError | None = None  # of the last attempt
        self._task: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None, algorithm: str) -> Key:
        """The key that a token's header names.

        Raises:
            AuthenticationError: The issuer has no such key.
            IssuerUnavailableError: Whether it has one cannot be found out now.
        """
        known = self._at_hand(key_id, algorithm)
        if known is not None and self._age() < FRESH_SECONDS:
            return known
        refreshing = self._refreshing()
        # In an outage, nobody waits for the next attempt as long as the old keys will do.
        if refreshing is not None and not (known is not None and self._failure is not None):
            await asyncio.shield(refreshing)  # who goes away does not take the others' keys along
            known = self._at_hand(key_id, algorithm)
        if known is not None:
            return known
        if self._failure is not None:
            raise self._failure.with_traceback(None)
        raise refusal("its issuer has no key as the token's header names it")

    async def close(self) -> None:
        """End a fetch that is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _age(self) -> float:
        return self._clock() - self._fetched_at

    def _at_hand(self, key_id: str | None, algorithm: str) -> Key | None:
        return find(self._keys, key_id, algorithm) if self._age() < STALE_SECONDS else None

    def _refreshing(self) -> asyncio.Task[None] | None:
        """The fetch under way, or a new one when the last is long enough ago."""
        if self._task is None or self._task.done():
            if self._clock() - self._attempted_at < PAUSE_SECONDS:
                return None
            self._task = asyncio.create_task(self._refresh())
        return self._task

    async def _refresh(self) -> None:
        try:
            self._keys = await self._fetch()
        except IssuerUnavailableError as error:
            _log.warning("%s", error)
            self._failure = error
        else:
            self._fetched_at = self._clock()
            self._failure = None
        finally:
            self._attempted_at = self._clock()
