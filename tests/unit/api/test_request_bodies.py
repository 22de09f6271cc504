"""How much is looked for in a body that does not fit: a client is told one mistake, and others wait meanwhile."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from ragstone.api.catalog_requests import AttachFile, AttachFiles, CreateStore
from ragstone.api.chat_request import ChatRequest
from ragstone.api.embeddings import EmbeddingRequest
from ragstone.api.receiving import UploadFields
from ragstone.api.requests import SearchRequest
from ragstone.api.response_request import ResponseRequest

MANY = 500
MESSAGE = {"role": "user", "content": "x"}
EQUAL = {"type": "eq", "key": "a", "value": 1}


def listed(model: type[BaseModel], /, **fields: object) -> object:
    return pytest.param(model, fields, id=f"{model.__name__} {next(reversed(fields))}")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"type": "or", "filters": [EQUAL] * MANY}, "at most 200 items"),
        ({"type": "equal", "key": "a", "value": 1}, "should be 'eq', 'ne'"),
        ({"type": "and"}, "Field required"),
        ("a = 1", "valid dictionary"),
    ],
)
def test_a_filter_is_told_what_is_wrong_with_its_own_kind(given: object, said: str) -> None:
    with pytest.raises(ValidationError) as raised:
        SearchRequest.model_validate({"query": "x", "filters": given})
    assert said in raised.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        listed(ResponseRequest, input="x", include=[1] * MANY),
        listed(ResponseRequest, input=[1] * MANY),
        listed(ResponseRequest, input=[{"role": "user", "content": [1] * MANY}]),
        listed(ResponseRequest, input="x", tools=[{"type": "file_search", "vector_store_ids": [1] * 100}]),
        listed(ResponseRequest, input="x", tools=[1] * 16),
        listed(ChatRequest, model="m", messages=[1] * MANY),
        listed(ChatRequest, model="m", messages=[{"role": "user", "content": [1] * MANY}]),
        listed(ChatRequest, model="m", messages=[MESSAGE], modalities=[1] * MANY),
        listed(SearchRequest, query=[1] * 16),
        listed(SearchRequest, query="x", filters={"type": "and", "filters": [1] * 200}),
        listed(SearchRequest, query="x", filters={"type": "and", "filters": [EQUAL] * MANY}),
        listed(SearchRequest, query="x", filters={"type": "in", "key": "a", "value": [[]] * MANY}),
        listed(EmbeddingRequest, model="m", input=[1.5] * MANY),
        listed(EmbeddingRequest, model="m", input=[[1.5] * MANY] * MANY),
        listed(CreateStore, file_ids=[1] * MANY),
        listed(AttachFiles, file_ids=[1] * MANY),
        listed(AttachFiles, files=[1] * MANY),
        listed(AttachFile, file_id="x", readers=[1] * MANY),
        listed(UploadFields, purpose="batch", readers=["nobody"] * MANY),
    ],
)
def test_a_list_is_read_up_to_its_first_mistake(model: type[BaseModel], fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as raised:
        model.model_validate(fields)
    assert raised.value.error_count() <= 12  # one of each shape that the field may have
