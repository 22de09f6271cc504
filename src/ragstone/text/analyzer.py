"""From a text to the terms by which it is found.

A term is a Unicode word in lower case and without compatibility forms (NFKC), reduced to its stem by Snowball
(https://snowballstem.org); stop words give none. An identifier such as `max_connections`, `CVE-2024-1234` or
`InferenceService` gives itself and its parts. Scripts that put no blanks between words give overlapping pairs of
characters.
"""

# ruff: noqa: RUF001 - the apostrophe that typesetters use

from __future__ import annotations

import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cache

import Stemmer

from ragstone.text.scripts import MARKS, UNSPACED, stemmer_language
from ragstone.text.stopwords import STOPWORDS

ANALYZER_VERSION = "1"

_LONGEST_TERM = 64  # characters; the rest of a longer one tells nothing apart
_CACHED_TOKENS = 50_000  # about 15 MB a language
_LONGEST_CACHED = 32  # characters; longer tokens seldom come again

_WORD = rf"[\w{MARKS}]+"
_TOKEN = re.compile(rf"\d{{1,3}}(?:,\d{{3}})+(?!\w)|{_WORD}(?:[._'’-]{_WORD})*(?:\+\+|#)?")
_PART = re.compile(rf"[^\W_](?:[^\W_]|[{MARKS}])*(?:['’]{_WORD})*(?:\+\+|#)?")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_UNSPACED = re.compile(rf"([{UNSPACED}]+)")
_ELISION = re.compile(r"^(?:[cdjlmnst]|qu|all|dell|nell|sull|un)'(?=\w)")
_ELIDING = frozenset({"catalan", "french", "italian"})
_INVISIBLE = str.maketrans("", "", "\u00ad\u200b\u2060\ufeff")  # soft hyphen and characters without width


def terms(text: str, language: str = "english") -> list[str]:
    """The terms of a text in their order, with repetitions; `language` is the Snowball name for Latin script.

    Raises:
        ValueError: There is no such language.
    """
    expand = _vocabulary(language).expand
    return [term for token in _TOKEN.findall(_normal(text)) for term in expand(token)]


def term_counts(text: str, language: str = "english") -> dict[str, int]:
    """How often each term occurs; as `terms`, but faster."""
    expand = _vocabulary(language).expand
    counts: dict[str, int] = {}
    for token, count in Counter(_TOKEN.findall(_normal(text))).items():
        for term in expand(token):
            counts[term] = counts.get(term, 0) + count
    return counts


def _normal(text: str) -> str:
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", text).translate(_INVISIBLE)


@cache
def _vocabulary(language: str) -> _Vocabulary:
    if language not in Stemmer.algorithms():
        raise ValueError(f"no stemmer for {language!r}; there are {', '.join(Stemmer.algorithms())}")
    return _Vocabulary(language)


class _Vocabulary:
    """Tokens and their terms in one language; remembers what it has worked out."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._stemmers: dict[str, Stemmer.Stemmer] = {}
        self._lock = threading.Lock()  # a stemmer has a state
        self._known: dict[str, tuple[str, ...]] = {}

    def expand(self, token: str) -> tuple[str, ...]:
        """The terms of a token."""
        known = self._known.get(token)
        if known is None:
            with self._lock:
                known = tuple(term[:_LONGEST_TERM] for term in self._expanded(token) if term)
            if len(token) <= _LONGEST_CACHED:
                if len(self._known) >= _CACHED_TOKENS:
                    self._known.clear()
                self._known[token] = known
        return known

    def _expanded(self, token: str) -> Iterator[str]:
        if "," in token:  # only between the digits of a number
            yield token.replace(",", "")
        elif token.isascii() or not _UNSPACED.search(token):
            yield from self._spaced(token)
        else:
            for number, run in enumerate(_UNSPACED.split(token)):
                if number % 2:
                    yield from (run[i : i + 2] for i in range(max(len(run) - 1, 1)))
                elif run:
                    yield from self._spaced(run)

    def _spaced(self, token: str) -> Iterator[str]:
        parts = _PART.findall(token)
        if len(parts) > 1 and ("_" in token or "." in token or any(map(str.isdigit, token))):
            yield token.casefold()
        for part in parts:
            yield self._stem(part)
            if not (part.islower() or part.isupper()):
                humps = _HUMP.split(part)
                if len(humps) > 1:
                    yield from map(self._stem, humps)

    def _stem(self, word: str) -> str:
        """The stem; empty for a stop word, unless it is in capitals like WHO or IT."""
        lower = word.casefold().replace("’", "'").replace("i\u0307", "i")  # the Turkish capital I has a dot to lose
        if self._language in _ELIDING:
            lower = _ELISION.sub("", lower)
        language = stemmer_language(lower, self._language)
        if lower in STOPWORDS.get(language, ()) and not (len(word) > 1 and word.isupper()):
            return ""
        if not language:
            return lower
        stemmer = self._stemmers.get(language)
        if stemmer is None:
            stemmer = self._stemmers[language] = Stemmer.Stemmer(language, 0)
        stem: str = stemmer.stemWord(lower)
        return stem
