"""An issuer for the tests of access, and a clock that only they move."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from issuer import Keys, LocalIssuer, new_keys

from ragstone.access.config import IssuerConfig
from ragstone.access.issuers import Issuers


class Clock:
    """Stands still until somebody moves it."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds

    def move(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def keys() -> Keys:
    """Those that the issuer begins with; to make them takes longer than most tests."""
    return new_keys()


@pytest.fixture
def issuer(clock: Clock, keys: Keys) -> Iterator[LocalIssuer]:
    with LocalIssuer(now=clock, keys=keys) as running:
        yield running


@pytest.fixture
def accepting(issuer: LocalIssuer, clock: Clock) -> Callable[..., Issuers]:
    """Makes the issuers of a service that accepts this one, with settings of one's own."""

    def accept(**settings: object) -> Issuers:
        sound = {"issuer": issuer.url, "audience": "ragstone"}
        if "tenant_claim" not in settings:
            sound["tenant"] = "acme"
        return Issuers([IssuerConfig(**{**sound, **settings})], now=clock, clock=clock)  # type: ignore[arg-type]

    return accept


@pytest.fixture
def issuers(accepting: Callable[..., Issuers]) -> Issuers:
    """Accepts the issuer for the tenant acme."""
    return accepting()
