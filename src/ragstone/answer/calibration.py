"""What the evidence for a sentence is worth, as a probability, and where an answer begins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Evidence = npt.NDArray[np.float64]  # shape (n, 3): a row a sentence, columns as in `Calibration.weights`
Probabilities = npt.NDArray[np.float64]  # shape (n,)


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic regression over the evidence for a sentence."""

    intercept: float
    # Of the cosine of question and sentence, the share of the question's words in the sentence and its title,
    # and the cosine of question and passage.
    weights: tuple[float, float, float]

    def probability(self, evidence: Evidence) -> Probabilities:
        """How likely each sentence holds the answer, 0 to 1, when half of all questions have one."""
        logits = self.intercept + evidence @ np.array(self.weights)
        return np.asarray(1.0 / (1.0 + np.exp(-logits)), np.float64)


# Fitted by `python benchmarks/answers.py --fit` for all-MiniLM-L6-v2-int8, on half of the articles of
# XQuAD (English) and half of the questions of ClapNQ; docs/decisions/0004-extractive-answer.md.
MINILM = Calibration(intercept=-5.87, weights=(3.67, 3.18, 4.38))


@dataclass(frozen=True, slots=True)
class Policy:
    """What it takes to answer, and how much is said."""

    calibration: Calibration = MINILM
    supported_from: float = 0.5  # probability of the best sentence; on the fitted half, one near miss in ten is above
    partial_from: float = 0.35  # below, there is no answer; on the fitted half, one answerable question in ten is
    max_sentences: int = 3
    closeness: float = 0.7  # a further sentence needs this share of the best one's probability
    candidates: int = 8  # sentences that are embedded: more did not choose better, and each takes 3 to 4 ms
