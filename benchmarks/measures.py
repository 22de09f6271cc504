"""Measures of a ranking against what is relevant; pure functions."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

Span = tuple[int, int]  # from the first character to behind the last


def ndcg(ranked: Sequence[str], relevant: Collection[str], k: int = 10) -> float:
    """Normalised discounted cumulative gain with equal gains (Jarvelin and Kekalainen, TOIS 2002).

    >>> round(ndcg(["x", "a"], {"a"}), 4)
    0.6309
    """
    gain = sum(1 / math.log2(place + 2) for place, name in enumerate(ranked[:k]) if name in relevant)
    return gain / sum(1 / math.log2(place + 2) for place in range(min(k, len(relevant))))


def recall(ranked: Sequence[str], relevant: Collection[str], k: int = 10) -> float:
    """Share of the relevant that is among the first k.

    >>> recall(["x", "a"], {"a", "b"})
    0.5
    """
    return len(set(ranked[:k]) & set(relevant)) / len(relevant)


def mrr(ranked: Sequence[str], relevant: Collection[str], k: int = 10) -> float:
    """One divided by the place of the first relevant one; 0 if it is not among the first k.

    >>> mrr(["x", "a"], {"a"})
    0.5
    """
    return next((1 / (place + 1) for place, name in enumerate(ranked[:k]) if name in relevant), 0.0)


def overlap(found: Sequence[Span], evidence: Sequence[Span], read: int) -> tuple[float, float, float]:
    """Recall, precision and IoU by characters; `read` is the length of all that was returned.

    Source: Smith and Troynikov, Evaluating Chunking Strategies for Retrieval, 2024.

    >>> overlap([(0, 10)], [(5, 15)], 20)
    (0.5, 0.25, 0.2)
    """
    wanted = {place for start, end in evidence for place in range(start, end)}
    hit = len(wanted & {place for start, end in found for place in range(start, end)})
    return hit / len(wanted), hit / read if read else 0.0, hit / (len(wanted) + read - hit)
