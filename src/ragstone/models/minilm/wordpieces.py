"""How all-MiniLM-L6-v2 reads: its word pieces, without the model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ragstone.models.minilm.artifact import TOKENIZER, WEIGHTS


class WordPieces:
    """Counts tokens; implements `ports.Tokenizer`.

    The process that reads files needs to count and never to embed, so it does not load the model.
    """

    def __init__(self, *, folder: Path = WEIGHTS) -> None:
        """Load the vocabulary.

        Raises:
            ModelError: Its file is missing or not the pinned one.
        """
        import tokenizers

        # The file asks for 128 tokens, cut and padded; neither is meant here.
        self._whole = tokenizers.Tokenizer.from_buffer(TOKENIZER.read(folder))
        self._whole.no_truncation()
        self._whole.no_padding()

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without the special tokens around it and without any limit."""
        encodings = self._whole.encode_batch_fast([encodable(text) for text in texts], add_special_tokens=False)
        return [len(encoding) for encoding in encodings]


def encodable(text: str) -> str:
    """The text with a question mark for each lone surrogate, which JSON can carry and no encoding can."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
