"""Which neighbouring words of the question stand side by side in a passage, too."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from unicodedata import normalize

import numpy as np
import numpy.typing as npt

from ragstone.text import analyzer

_WORD = re.compile(r"\w+")


def phrases(question: str, languages: Sequence[str]) -> list[str]:
    """Every two neighbouring words that say something, with what stands between them: "cost of sales"."""
    question = normalize("NFKC", question)
    words = [
        word for word in _WORD.finditer(question) if all(analyzer.terms(word[0], language) for language in languages)
    ]
    stretches = (_plain(question[first.start() : second.end()]) for first, second in pairwise(words))
    return list(dict.fromkeys(stretches))


def shares(wanted: Sequence[str], texts: Sequence[str]) -> npt.NDArray[np.float64]:
    """What share of the phrases each text has, from 0 to 1; 0 when none are wanted.

    A phrase may go on inside a longer word, so "margin rate" is found in "margin rates".
    """
    if not wanted:
        return np.zeros(len(texts))
    plain = [_plain(text) for text in texts]
    return np.array([sum(phrase in text for phrase in wanted) / len(wanted) for text in plain])


def _plain(text: str) -> str:
    return " ".join(normalize("NFKC", text).lower().split())
