"""What the evidence for a sentence is worth, as the probability that the documents support it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

FEATURES = (
    "pairs",  # share of the sentence's neighbouring terms that are neighbours in the evidence
    "strange",  # share of its names that are not there
    "hold",  # how much of it stands beside the name or number of it that stands most alone
)


@dataclass(frozen=True, slots=True)
class Judge:
    """A logistic regression over `FEATURES`, and from which probability on a sentence counts as supported.

    It is not asked where a number is missing, something is denied, or roles have changed: nothing outweighs that.
    """

    intercept: float
    weights: tuple[float, float, float]
    supported_from: float
    short_from: float  # the same for an answer of a few words, which stands beside words of its question by chance

    def probability(self, evidence: Sequence[float]) -> float:
        """How likely the evidence supports the sentence, 0 to 1."""
        logit = self.intercept + sum(weight * value for weight, value in zip(self.weights, evidence, strict=True))
        return 1.0 / (1.0 + math.exp(-logit))


# Fitted by `python benchmarks/grounding.py --fit`, on half of WiCE, ClapNQ, the product documentation's questions and
# XQuAD; docs/explanation/grounding.md has the figures. It does not depend on the embedder: the cosine of the sentence
# and its evidence, as a fourth feature, supported no more right sentences at the same share of wrong ones, and took
# nine tenths of the time.
JUDGE = Judge(intercept=-1.11, weights=(1.38, -0.53, 1.47), supported_from=0.55, short_from=0.65)
