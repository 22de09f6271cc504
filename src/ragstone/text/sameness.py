"""Whether two questions that are near each other could ask for different things.

A vector says what a question is about, and little of what it wants to know: the year or the place, the first or the
last, this number or that. Of questions that people asked a search engine, four in ten pairs with a cosine of .9 have
different answers (docs/explanation/caching.md). So near questions are compared word by word, and sign by sign where
a sign tells. They may differ in the forms of words, in words that say nothing, and in what stands first: "In 2021, how
much ...?".

Made for English. In another language fewer words count as saying nothing, so fewer questions count as the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from ragstone.text import analyzer

_WORD = re.compile(
    r"""(?:(?<!\w)\.)?\d+(?:[^\w\s]\d+)*[^\W_]*(?:'[^\W_]+)*  # .5 and 1st and 2027-01-31 and 10.5kg
    |[^\W_]+(?:'[^\W_]+)*
    |(?P<minus>(?<![\w)])[-\u2013\u2212](?=[^\w\s]?\d))  # and neither a hyphen nor the dash of a range
    |!=|[^\w\s]""",
    re.VERBOSE,
)
# Of the signs, those of money and of mathematics tell (Unicode's classes Sc and Sm), and these: C# is not C.
_SIGNS = frozenset({"%", "\u2030", "#", "!="})
_MINUS = "\N{MINUS SIGN}"
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th)")
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_SAID_AS = (
    {word: str(number) for number, word in enumerate(_NUMBERS)}
    | {word: str(number) for number, word in enumerate(_ORDINALS, start=1)}
    | {"which": "what", "cannot": "not", "n't": "not", "were": "was"}
)

# Who cannot and who will not say different things, although "can" and "will" alone say nothing.
_REFUSED = {"can't": ["not"], "won't": ["will", "not"]}

# Asked politely, or of somebody; what is wanted follows.
_ADDRESS = re.compile(
    r"(?:hi|hello|hey)?\W*(?:please\W+)?(?:"
    r"(?:(?:can|could|would|will) you\W+)?(?:please\W+)?(?:tell|show|give) me\W+(?:please\W+)?(?:about\W+)?"
    r"|(?:do|would) you (?:happen to )?know\W+"
    r"|i(?: would|'d)? (?:like|want|need|wish) to know\W+"
    r"|i wonder\W+|i am wondering\W+"
    r")?",
    re.IGNORECASE,
)

_WANTED = frozenset({"who", "whom", "whose", "when", "where", "why", "how", "what"})

# Words that the analyzer leaves out, and without which a question would be another one.
_TELLING = _WANTED | {
    *("no", "not", "never", "if", "than", "should", "must", "may", "might", "much"),
    *("from", "to", "into", "on", "off", "up", "down", "over", "under", "by"),
    *("was", "did", "had", "will", "be", "been", "being"),
}

# What can be put first with the words behind it.
_OPENING = frozenset(
    {"in", "at", "on", "during", "for", "since", "before", "after", "until", "within", "from", "to", "by", "with"}
)

_HOW_TO = re.compile(r"\b(how) to\b", re.IGNORECASE)

_COURTESY = frozenset({"please", "thanks", "thank"})


def plain(question: str) -> str:
    """The same for questions that differ in nothing but blanks and the encoding of their letters."""
    return " ".join(unicodedata.normalize("NFC", question).split())


@dataclass(frozen=True, slots=True)
class _Saying:
    """What a question says."""

    terms: tuple[str, ...]  # stems, numbers in digits, signs, and small words that tell, in their order
    openings: tuple[tuple[str, int], ...]  # words of `_OPENING`, and how many terms stand before each


def may_ask_the_same(one: str, other: str) -> bool:
    """Whether nothing in the words of two questions stands against one answer for both.

    They have to say the same things in the same order, or with an end such as "in 2021" of the one at the beginning of
    the other.
    """
    first, second = _said(one), _said(other)
    if not set(first.terms) - _TELLING or len(first.terms) != len(second.terms):
        return False
    return first.terms == second.terms or _turned(first, second) or _turned(second, first)


def _turned(one: _Saying, other: _Saying) -> bool:
    """Whether the other is the one with its end put first."""
    first = next((word for word, place in other.openings if place == 0), None)
    turns = (place for word, place in one.openings if word == first)
    return any(one.terms[turn:] + one.terms[:turn] == other.terms for turn in turns)


def _said(question: str) -> _Saying:
    text = plain(unicodedata.normalize("NFKC", question)).replace("\u2019", "'")  # as typesetters write it
    address = _ADDRESS.match(text)
    text = text[address.end() :] if address else text
    terms: list[str] = []
    openings: list[tuple[str, int]] = []
    for word in _words(text):
        if word.casefold() in _OPENING:
            openings.append((word.casefold(), len(terms)))
        terms += _terms(word)
    # "Tell me the price" wants what "What is the price?" does.
    if address is not None and address.end() > 0 and not _WANTED.intersection(terms):
        terms.insert(0, "what")
        openings = [(word, place + 1) for word, place in openings]
    return _Saying(tuple(terms), tuple(openings))


def _words(text: str) -> Iterator[str]:
    """Words and signs, a hyphen that is a minus as such; of "how to" only the "how"."""
    for match in _WORD.finditer(_HOW_TO.sub(r"\1", text)):
        yield _MINUS if match["minus"] else match[0]


def _terms(word: str) -> list[str]:
    lower = word.casefold()
    if not word[-1].isalnum():
        return [lower] if lower in _SIGNS or unicodedata.category(lower[0]) in {"Sc", "Sm"} else []
    if lower in _REFUSED:
        return _REFUSED[lower]
    if lower.endswith("n't"):
        return [*_terms(word[:-3]), "not"]
    lower = lower.removesuffix("'s")
    lower = _SAID_AS.get(lower, lower)
    if ordinal := _ORDINAL.fullmatch(lower):
        lower = ordinal[1]
    if lower in _TELLING or not lower[0].isalpha():
        return [lower]
    return [] if lower in _COURTESY else analyzer.terms(word if lower == word.casefold() else lower)
