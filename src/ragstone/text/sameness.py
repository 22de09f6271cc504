"""Whether two questions that are near each other could ask for different things.

A vector says what a question is about, and little of what it wants to know: the year or the place, the first or the
last, this number or that. Of questions that people asked a search engine, four in ten pairs with a cosine of .9 have
different answers (docs/explanation/caching.md). So near questions are compared word by word as well. They may differ
in the forms of words, in words that say nothing, and in what stands first: "In 2021, how much ...?".

Made for English. In another language fewer words count as saying nothing, so fewer questions count as the same.
"""

from __future__ import annotations

import re
import unicodedata

from ragstone.text import analyzer

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th)")
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_SAID_AS = (
    {word: str(number) for number, word in enumerate(_NUMBERS)}
    | {word: str(number) for number, word in enumerate(_ORDINALS, start=1)}
    | {"which": "what", "cannot": "not", "n't": "not"}
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
    *("from", "into", "on", "off", "up", "down", "over", "under", "by"),
}

_COURTESY = frozenset({"please", "thanks", "thank"})


def plain(question: str) -> str:
    """The same for questions that differ in nothing but blanks and the encoding of their letters."""
    return " ".join(unicodedata.normalize("NFC", question).split())


def may_ask_the_same(one: str, other: str) -> bool:
    """Whether nothing in the words of two questions stands against one answer for both.

    They have to say the same things in the same order, or with an end of the one at the beginning of the other.
    """
    first, second = _said(one), _said(other)
    if not set(first) - _TELLING or len(first) != len(second):
        return False
    if first == second:
        return True
    # Of two words, the order may be all that is said: "euros to dollars".
    return len(first) > 2 and any(first[turn:] + first[:turn] == second for turn in range(1, len(first)))  # noqa: PLR2004


def _said(question: str) -> list[str]:
    """What a question says, in order: stems, numbers in digits, and small words that tell."""
    text = plain(unicodedata.normalize("NFKC", question)).replace("\u2019", "'")  # as typesetters write it
    address = _ADDRESS.match(text)
    text = text[address.end() :] if address else text
    said = [term for word in _WORD.findall(text) for term in _terms(word)]
    # "Tell me the price" wants what "What is the price?" does.
    asked = address is not None and address.end() > 0
    return ["what", *said] if asked and not _WANTED.intersection(said) else said


def _terms(word: str) -> list[str]:
    lower = word.casefold()
    if lower in _REFUSED:
        return _REFUSED[lower]
    if lower.endswith("n't"):
        return [*_terms(word[:-3]), "not"]
    lower = lower.removesuffix("'s")
    lower = _SAID_AS.get(lower, lower)
    if ordinal := _ORDINAL.fullmatch(lower):
        lower = ordinal[1]
    if lower in _TELLING or lower.isdigit():
        return [lower]
    return [] if lower in _COURTESY else analyzer.terms(word if lower == word.casefold() else lower)
