"""Objects that fit OpenAI's published description, with no more fields than it takes to fail."""

from __future__ import annotations

from typing import Any

RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "model": "m",
    "tools": [
        {
            "type": "file_search",
            "vector_store_ids": ["vs_1"],
            "filters": {
                "type": "and",
                "filters": [
                    {"type": "eq", "key": "year", "value": 2026},
                    {"type": "or", "filters": [{"type": "in", "key": "team", "value": ["a"]}]},
                ],
            },
        }
    ],
    "output": [
        {"id": "fs_1", "type": "file_search_call", "status": "completed", "queries": ["x"], "results": None},
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [
                {
                    "type": "output_text",
                    "text": "a",
                    "annotations": [{"type": "file_citation", "file_id": "f", "index": 1, "filename": "n"}],
                    "logprobs": [],
                }
            ],
        },
    ],
    "parallel_tool_calls": False,
    "metadata": {},
    "tool_choice": "auto",
    "temperature": None,
    "top_p": None,
}
FILE = {
    "id": "file-1",
    "object": "file",
    "bytes": 1,
    "created_at": 1,
    "filename": "n",
    "purpose": "user_data",
    "status": "processed",
}
PAGE: dict[str, Any] = {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
COUNTS = {"in_progress": 0, "completed": 1, "failed": 0, "cancelled": 0, "total": 1}
STORE = {
    "id": "vs_1",
    "object": "vector_store",
    "created_at": 1,
    "name": "n",
    "usage_bytes": 1,
    "file_counts": COUNTS,
    "status": "completed",
    "last_active_at": None,
    "metadata": {},
}
HIT = {
    "file_id": "f",
    "filename": "n",
    "score": 0.5,
    "attributes": {"year": 2026},
    "content": [{"type": "text", "text": "x"}],
}
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "logprobs": None,
            "message": {
                "role": "assistant",
                "content": "a",
                "refusal": None,
                "annotations": [
                    {
                        "type": "url_citation",
                        "url_citation": {"url": "https://x", "title": "n", "start_index": 0, "end_index": 1},
                    }
                ],
            },
        }
    ],
}
ERROR = {"error": {"message": "no", "type": "invalid_request_error", "param": None, "code": None}}

# Method, path, status, a valid answer, and what may be missing in it.
ANSWERS: tuple[tuple[str, str, int, dict[str, Any], set[str]], ...] = (
    ("POST", "/v1/responses", 200, RESPONSE, {"$.tools[0].filters", "$.output[0].results"}),
    ("GET", "/v1/files/file-1", 200, FILE, set()),
    ("GET", "/v1/files", 200, {**PAGE, "data": [FILE], "first_id": "a", "last_id": "b"}, set()),
    ("POST", "/v1/vector_stores", 200, STORE, set()),
    (
        "POST",
        "/v1/vector_stores/vs_1/search",
        200,
        {
            "object": "vector_store.search_results.page",
            "search_query": ["x"],
            "data": [HIT],
            "has_more": False,
            "next_page": None,
        },
        {"$.data[0].attributes.year"},
    ),
    (
        "GET",
        "/v1/vector_stores/vs_1/file_batches/vsfb_1",
        200,
        {
            "id": "vsfb_1",
            "object": "vector_store.files_batch",
            "created_at": 1,
            "vector_store_id": "vs_1",
            "status": "completed",
            "file_counts": COUNTS,
        },
        set(),
    ),
    ("POST", "/v1/chat/completions", 200, COMPLETION, {"$.choices[0].message.annotations"}),
    ("GET", "/v1/models/ragstone/the store", 200, {"id": "m", "object": "model", "created": 1, "owned_by": "o"}, set()),
    ("DELETE", "/v1/responses/resp_1", 200, {"id": "resp_1", "object": "response", "deleted": True}, set()),
    ("GET", "/v1/files/file-1", 404, ERROR, set()),
    ("DELETE", "/v1/responses/resp_1", 404, ERROR, set()),
)

EVENT: dict[str, Any] = {
    "type": "response.output_text.delta",
    "item_id": "msg_1",
    "output_index": 1,
    "content_index": 0,
    "delta": "x",
    "logprobs": [],
    "sequence_number": 4,
}

# What the document would refuse if it were taken at its word.
EXEMPTED: dict[str, Any] = {
    "Embedding": {"object": "embedding", "index": 0, "embedding": "AAAA"},
    "VectorStoreSearchRequest": {
        "query": "x",
        "ranking_options": {"hybrid_search": {"embedding_weight": 1, "text_weight": 1}},
    },
    "ListFilesResponse": PAGE,
    "ListVectorStoresResponse": PAGE,
    "ListVectorStoreFilesResponse": PAGE,
    "ResponseItemList": PAGE,
}
