"""Stored answers in their states."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from shape_samples import ANSWER

from ragstone.storage.answers.kept import StoredAnswer

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STORED = StoredAnswer(
    public_id="resp_1",
    created_at=NOW,
    asked="Why?",
    settings={"store": True, "background": True, "metadata": {"a": "b"}, "tools": []},
    status="completed",
    answer=ANSWER,
    completed_at=NOW,
    error_code=None,
    error_message=None,
)
UNDONE = replace(STORED, answer=None, completed_at=None)
