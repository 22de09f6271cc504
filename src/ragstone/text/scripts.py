"""What the writing systems ask of an analyzer: marks inside words, words without blanks, a stemmer of their own."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right

# Accents, vowel signs and points: parts of a word that Python's \w leaves out, below the phonetic extensions where
# all living scripts with such marks lie; and the two joiners that shape letters inside a word.
MARKS = "".join(
    [chr(code) for code in range(0x300, 0x1D00) if unicodedata.category(chr(code)) in {"Mn", "Mc"}]
    + ["\u200c", "\u200d"]
)

# Ranges of a regular expression: Thai, Lao, Myanmar, Khmer, kana, Han, Hangul.
UNSPACED = (
    "\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)

# First code point of a script, its stemmer, and the other languages in the same script that have one.
# An empty name: no stemmer. Blocks from https://www.unicode.org/Public/UCD/latest/ucd/Blocks.txt
_SCRIPTS: tuple[tuple[int, str, frozenset[str]], ...] = (
    (0x0000, "latin", frozenset()),
    (0x0370, "greek", frozenset()),
    (0x0400, "russian", frozenset({"serbian"})),
    (0x0530, "armenian", frozenset()),
    (0x0590, "", frozenset({"yiddish"})),
    (0x0600, "arabic", frozenset({"persian"})),
    (0x0700, "", frozenset()),
    (0x0900, "hindi", frozenset({"nepali"})),
    (0x0980, "", frozenset()),
    (0x0B80, "tamil", frozenset()),
    (0x0C00, "", frozenset()),
    (0x1E00, "latin", frozenset()),
    (0x1F00, "greek", frozenset()),
    (0x2000, "", frozenset()),
)
_STARTS = [start for start, _, _ in _SCRIPTS]


def stemmer_language(word: str, language: str) -> str:
    """The Snowball language for a word in a text of this language, by the script of its first character.

    Latin script is taken for the text's own language, a foreign script for its most common language; the empty
    string says that there is no stemmer.
    """
    _, usual, others = _SCRIPTS[bisect_right(_STARTS, ord(word[0])) - 1]
    return language if usual == "latin" or language in others else usual
