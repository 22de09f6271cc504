"""Text recognition in pictures of pages, with the extra `ragstone[ocr]`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Box: TypeAlias = tuple[float, float, float, float]  # left, top, right, bottom in pixels
Picture: TypeAlias = npt.NDArray[np.uint8]  # shape (height, width, channels), blue first
Recogniser: TypeAlias = Callable[[Picture], Iterator[tuple[str, Box]]]


class OcrMissingError(Exception):
    """The extra is not installed."""


@lru_cache(maxsize=1)
def load_ocr() -> Recogniser:
    """The recogniser, loaded once a process.

    Raises:
        OcrMissingError: The extra is not installed.
    """
    if find_spec("rapidocr") is None:
        raise OcrMissingError
    from rapidocr import RapidOCR

    engine: Any = RapidOCR(params={"Global.log_level": "critical"})
    return lambda picture: _lines(engine(picture))


def _lines(result: Any) -> Iterator[tuple[str, Box]]:  # noqa: ANN401  the library ships no types
    """Lines from the top down; boxes come as four corners."""
    if result.boxes is None:
        return
    found = []
    for corners, text in zip(result.boxes, result.txts, strict=True):
        xs, ys = [float(x) for x, _ in corners], [float(y) for _, y in corners]
        found.append((str(text), (min(xs), min(ys), max(xs), max(ys))))
    yield from found
