"""Questions and answers as they are written down: JSON, and back without a difference."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ragstone.domain import (
    Answer,
    AnswerOptions,
    CacheOutcome,
    Citation,
    Comparison,
    Compound,
    Condition,
    Filter,
    Finish,
    Fusion,
    GroundingStatus,
    Hit,
    Message,
    Passage,
    Provenance,
    Question,
    Rewriting,
    Role,
    Scores,
    Strategy,
    Turn,
    Unsupported,
    Usage,
)

# What JSON can say and PostgreSQL cannot store: U+0000, here escaped, and halves of surrogate pairs.
_UNFIT = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000|[\ud800-\udfff]")


def answer_text(answer: Answer) -> str:
    """An answer as JSON; characters that cannot be stored are replaced, so that places in it stay what they were."""
    written = json.dumps(asdict(answer), ensure_ascii=False)
    return _UNFIT.sub(lambda unfit: f"{unfit[1] or ''}\N{REPLACEMENT CHARACTER}", written)


def answer_of(text: str) -> Answer:
    """The answer that was written so."""
    written = json.loads(text)
    return Answer(
        text=written["text"],
        status=GroundingStatus(written["status"]),
        citations=tuple(Citation(**{**cited, "heading": tuple(cited["heading"])}) for cited in written["citations"]),
        nearest=tuple(Hit(_passage(hit["passage"]), Scores(**hit["scores"])) for hit in written["nearest"]),
        timings_ms=written["timings_ms"],
        queries=tuple(written["queries"]),
        unsupported=tuple((start, end) for start, end in written["unsupported"]),
        provenance=_provenance_of(written["provenance"]),
    )


def question_object(question: Question) -> dict[str, object]:
    """A question in JSON's types; its stores by their ids, since they may change until it is asked."""
    stores = [store.public_id for store in question.stores]
    return {**asdict(question), "stores": stores, "filter": _filter_object(question.filter)}


def question_of(written: Mapping[str, Any]) -> tuple[Question, tuple[str, ...]]:
    """The question that was written so, still without stores, and their ids."""
    fusion = written["fusion"]
    known = {
        "stores": (),
        "filter": _filter_of(written["filter"]),
        "fusion": None if fusion is None else Fusion(**fusion),
        "history": tuple(Message(Role(said["role"]), said["text"]) for said in written["history"]),
        "options": _options_of(written["options"]),
    }
    return Question(**{**written, **known}), tuple(written["stores"])


def _provenance_of(written: Mapping[str, Any]) -> Provenance:
    strategy = written["strategy"]
    known = {
        "strategy": None if strategy is None else Strategy(strategy),
        "usage": Usage(**written["usage"]),
        "finish": Finish(written["finish"]),
        "cache": CacheOutcome(written["cache"]),
    }
    return Provenance(**{**written, **known})


def _options_of(written: Mapping[str, Any]) -> AnswerOptions:
    named = {"strategy": Strategy, "rewriting": Rewriting, "unsupported": Unsupported}
    known = {name: kind(written[name]) for name, kind in named.items() if written[name] is not None}
    return AnswerOptions(**{**written, **known})


def _passage(written: Mapping[str, Any]) -> Passage:
    turns = tuple(Turn(turn["start"], tuple(turn["heading"]), turn["page"]) for turn in written["turns"])
    return Passage(**{**written, "heading": tuple(written["heading"]), "turns": turns})


def _filter_object(part: Filter | None) -> dict[str, object] | None:
    if isinstance(part, Compound):
        return {"every": part.every, "filters": [_filter_object(inner) for inner in part.filters]}
    return None if part is None else asdict(part)


def _filter_of(written: Mapping[str, Any] | None) -> Filter | None:
    if written is None:
        return None
    if "filters" in written:
        inner = (_filter_of(part) for part in written["filters"])
        return Compound(written["every"], tuple(part for part in inner if part is not None))
    value = written["value"]
    return Condition(
        Comparison(written["comparison"]), written["key"], tuple(value) if isinstance(value, list) else value
    )
