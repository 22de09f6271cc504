"""Lists of numbers that servers tell, and what they mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ragstone.domain import Matrix


def single(values: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """The values in single precision; what is too large for it becomes infinite.

    Raises:
        ValueError: They are no numbers, or in rows of different lengths.
    """
    with np.errstate(over="ignore"):
        array: npt.NDArray[np.float32] = np.asarray(values, np.float64).astype(np.float32)
    return array


def unit_rows(rows: npt.NDArray[np.float32]) -> Matrix:
    """The rows with length 1.

    Raises:
        ValueError: One of them has no direction, or is not finite.
    """
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    if not np.all(np.isfinite(lengths)) or np.any(lengths == 0):
        raise ValueError("a vector has no direction")
    matrix: Matrix = (rows / lengths).astype(np.float32)
    return matrix


def sigmoid(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Log-odds as probabilities."""
    return 1 / (1 + np.exp(-np.clip(values, -500, 500)))


def softmax(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Logits as probabilities, row by row."""
    powers = np.exp(rows - rows.max(axis=1, keepdims=True))
    shares: npt.NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def are_probabilities(rows: npt.NDArray[np.float64]) -> bool:
    """Whether each row can be a distribution: within 0 and 1, and about 1 together; servers round."""
    return bool(np.all((rows >= 0) & (rows <= 1)) and np.all(np.abs(rows.sum(axis=1) - 1) < 0.01))  # noqa: PLR2004


def finite(values: Sequence[float]) -> npt.NDArray[np.float64]:
    """The values as an array.

    Raises:
        ValueError: One is not finite.
    """
    array = np.asarray(values, np.float64)
    if not np.all(np.isfinite(array)):
        raise ValueError("a number is not finite")
    return array
