"""One score out of two: how near a passage is in meaning, and how much of the question's wording it has."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ragstone.domain import Fusion, Question
from ragstone.errors import InvalidQuestionError

# Measured in docs/decisions/0003-hybrid-fusion.md.
DEFAULT = Fusion(dense=0.45, lexical=0.55)
PHRASE_SHARE = 1 / 6  # of the lexical half
FOREIGN_TRUST = 0.15  # how much of its weight the dense half keeps beyond English and Latin script
LATIN_END = 0x250  # the first character behind Latin Extended-B

Scores = npt.NDArray[np.float64]


def weights_for(question: Question) -> Fusion:
    """The default weights; the dense half counts less where the default embedder knows little.

    It learnt from English, so it is trusted with English stores, as far as the question is in Latin
    script. With Arabic questions to Arabic texts the full weight lowered nDCG@10 from .94 (lexical
    alone) to .69.
    """
    letters = [letter for letter in question.text if letter.isalpha()]
    familiar = sum(ord(letter) < LATIN_END for letter in letters) / len(letters) if letters else 1.0
    if any(store.language != "english" for store in question.stores):
        familiar = 0.0
    return Fusion(DEFAULT.dense * (FOREIGN_TRUST + (1.0 - FOREIGN_TRUST) * familiar), DEFAULT.lexical)


def convex(dense: Scores, words: Scores, phrases: Scores, weights: Fusion = DEFAULT) -> Scores:
    """The weighted mean of the halves, from 0 to 1; shape (n,), as each of the arguments.

    `dense` are cosine similarities (negative ones count as 0), `words` and `phrases` shares of the
    question's wording from 0 to 1. No score depends on the other candidates, unlike with min-max
    normalisation, so scores of different questions can be compared and a threshold has a meaning.
    Source of the convex combination with theoretical bounds: Bruch, Gai and Ingber, An Analysis of
    Fusion Functions for Hybrid Retrieval, TOIS 2023.

    Raises:
        InvalidQuestionError: A weight is negative or not finite, or both are 0.
    """
    total = weights.dense + weights.lexical
    if weights.dense < 0 or weights.lexical < 0 or not 0 < total < np.inf:
        what = f"The weights dense={weights.dense} and lexical={weights.lexical} do not fit"
        raise InvalidQuestionError(what, remedy="Give two numbers of 0 or more, at least one of them above 0")
    lexical = (1.0 - PHRASE_SHARE) * words + PHRASE_SHARE * phrases
    fused: Scores = (weights.dense * np.clip(dense, 0.0, 1.0) + weights.lexical * lexical) / total
    return fused


def contenders(without_phrases: Scores, top_k: int, weights: Fusion) -> npt.NDArray[np.int64]:
    """The places of those that phrases could still bring among the best `top_k`; to look for phrases costs most."""
    if len(without_phrases) <= top_k:
        return np.arange(len(without_phrases))
    most = PHRASE_SHARE * weights.lexical / (weights.dense + weights.lexical)
    return np.flatnonzero(without_phrases + most >= np.partition(without_phrases, -top_k)[-top_k])
