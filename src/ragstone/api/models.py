"""`/v1/models`: each store as a model that answers, and the model that embeds."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request

from ragstone.api.asking import NAMES, model_store
from ragstone.api.door.identity import Reading
from ragstone.api.shapes.models import OWNER, model, models
from ragstone.bootstrap import House
from ragstone.domain import Store
from ragstone.storage.contents.searchable import searchable_stores

router = APIRouter(prefix="/v1/models", tags=["models"])

_EVER = 0  # when the models were made that have always been there


@router.get("")
async def list_models(request: Request, session: Reading) -> dict[str, object]:
    """All stores as models, the model that answers from the stores a request names, and the model that embeds."""
    house: House = request.app.state.house
    embedding = house.embedder.model
    stores = await searchable_stores(session.database, session.asker, embedding)
    fixed = [model(name, _EVER) for name in (*sorted(NAMES), embedding.name)]
    return models([*(model(name, int(store.created_at.timestamp())) for name, store in _named(stores)), *fixed])


@router.get("/{model_name:path}")
async def get_model(model_name: str, request: Request, session: Reading) -> dict[str, object]:
    """The model of that name."""
    house: House = request.app.state.house
    if model_name == house.embedder.model.name:
        return model(model_name, _EVER)
    store = await model_store(model_name, session)
    return model(model_name, _EVER if store is None else int(store.created_at.timestamp()))


def _named(stores: Sequence[Store]) -> list[tuple[str, Store]]:
    """Names that lead to the stores: a store without a name, or with one that an older store has, goes by its id."""
    oldest: dict[str, Store] = {}
    for store in stores:
        oldest.setdefault(store.name, store)
    return [
        (f"{OWNER}/{store.name if store.name and oldest[store.name] is store else store.public_id}", store)
        for store in stores
    ]
