"""Which of the scored sentences make the answer, and in which order they read best."""

from __future__ import annotations

from collections.abc import Sequence

from ragstone.answer.calibration import Policy
from ragstone.answer.evidence import Scored

_SAME_MEANING = 0.9  # cosine: two versions of one page, or one statement in other words


def choose(scored: Sequence[Scored], policy: Policy) -> list[Scored]:
    """The best sentence, and up to two more that are nearly as good and add something; best first.

    `scored` comes likeliest first. Nothing is chosen when the best is below `policy.partial_from`.
    """
    if not scored or scored[0].probability < policy.partial_from:
        return []
    chosen = [scored[0]]
    least = max(policy.partial_from, policy.closeness * scored[0].probability)
    for candidate in scored[1:]:
        if len(chosen) == policy.max_sentences or candidate.probability < least:
            break
        if not any(_repeats(candidate, other) for other in chosen):
            chosen.append(candidate)
    return chosen


def reading_order(chosen: Sequence[Scored]) -> list[Scored]:
    """Documents in the order of their best sentence, and each document's sentences as they stand in it."""
    rank: dict[str, int] = {}
    for place, scored in enumerate(chosen):
        rank.setdefault(scored.quotable.passage.file_id, place)
    return sorted(chosen, key=lambda scored: (rank[scored.quotable.passage.file_id], _span(scored)))


def _repeats(one: Scored, other: Scored) -> bool:
    if float(one.vector @ other.vector) >= _SAME_MEANING:
        return True
    (start, end), (other_start, other_end) = _span(one), _span(other)
    same_file = one.quotable.passage.file_id == other.quotable.passage.file_id
    return same_file and start < other_end and other_start < end


def _span(scored: Scored) -> tuple[int, int]:
    """Where the sentence stands in its document."""
    passage, unit = scored.quotable.passage, scored.quotable.unit
    return passage.start + unit.start, passage.start + unit.end
