"""The two files of the model: where they lie, and how it is known that they are the right ones."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ragstone.errors import ModelError

WEIGHTS = Path(__file__).parent / "weights"
_REMEDY = "Run `make model` in the checkout, or install a released wheel"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file with pinned bytes."""

    name: str
    sha256: str  # hexadecimal

    def matches(self, content: bytes) -> bool:
        """Whether these are the pinned bytes."""
        return hashlib.sha256(content).hexdigest() == self.sha256

    def read(self, folder: Path = WEIGHTS) -> bytes:
        """The file's bytes, checked.

        Raises:
            ModelError: The file is missing or not the pinned one.
        """
        path = folder / self.name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelError(
                "the embedding model is missing", why=f"{path}: {error.strerror}", remedy=_REMEDY
            ) from error
        if not self.matches(content):
            raise ModelError(
                "the embedding model is not the expected one",
                why=f"{path} has another SHA-256 than {self.sha256}",
                remedy=_REMEDY,
            )
        return content


GRAPH = Artifact("model.onnx", "7f05ddd8fe9aa9393e5281a79ef53e67028ad883e0dd2d5e716e897f14fc2fbf")
TOKENIZER = Artifact("tokenizer.json", "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037")
