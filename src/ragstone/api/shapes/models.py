"""The list of models: each store is one, so that every chat client can ask it."""

from __future__ import annotations

from collections.abc import Iterable

from ragstone.domain import Store

OWNER = "ragstone"
_PREFIX = f"{OWNER}/"


def model_name(store: Store) -> str:
    """The model that answers from this store."""
    return f"{_PREFIX}{store.name}"


def store_name(model: str) -> str | None:
    """The store that this model answers from, by name or id; None if it is no model of that kind."""
    return model.removeprefix(_PREFIX) if model.startswith(_PREFIX) and model != _PREFIX else None


def model(name: str, created_at: int) -> dict[str, object]:
    """A model; `created_at` in seconds since 1970."""
    return {"id": name, "object": "model", "created": created_at, "owned_by": OWNER}


def store_model(store: Store) -> dict[str, object]:
    """A store as a model."""
    return model(model_name(store), int(store.created_at.timestamp()))


def models(listed: Iterable[dict[str, object]]) -> dict[str, object]:
    """The list of these models."""
    return {"object": "list", "data": list(listed)}
