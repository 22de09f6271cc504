"""What a text states beside its words: numbers with their units, names, and what is said not to be so.

Numbers and capitals are read in any language. The lists of words are English, with the negations of a few more
languages: where a list has nothing, a difference is not seen, and the other evidence decides alone.
"""

# ruff: noqa: RUF001 - signs of other scripts

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

_NUMBER = re.compile(
    r"(?<![\w.])(?P<currency>[$€£¥])?[ ]?(?P<digits>\d+(?:[.,'’]\d+)*)(?:(?:st|nd|rd|th)\b)?"
    r"(?:[ \u00a0-]?(?P<after>%|[^\W\d_]{1,12}))?"
)
# Before digits; behind a letter or a digit a dash joins words, dates and ranges, and with a blank behind it, it begins
# an item of a list.
_MINUS = re.compile(r"(?:(?<![^\s(\[{|=:<>~*`“„$€£¥])[-−–]|\bminus )(?:[$€£¥] ?)?\Z", re.IGNORECASE)
_BEHIND_NUMBER = re.compile(r"\d\s?\Z")
_NUMBER_INSIDE = re.compile(r"\d+(?:[.,]\d+)*")
_THOUSANDS = re.compile(r"\d{1,3}(?:[,.'’]\d{3})+")
_SCALES = {"thousand": 1e3, "k": 1e3, "million": 1e6, "mn": 1e6, "billion": 1e9, "bn": 1e9, "trillion": 1e12}
_UNITS = {
    word: words.split()[0]
    for words in (
        "% percent per-cent pct",
        "$ usd dollar dollars",
        "€ eur euro euros",
        "£ gbp pound pounds",
        "ms millisecond milliseconds",
        "s sec secs second seconds",
        "min mins minute minutes",
        "h hr hrs hour hours",
        "day days",
        "week weeks",
        "month months",
        "year years",
        "kb kib kilobyte kilobytes",
        "mb mib megabyte megabytes",
        "gb gib gigabyte gigabytes",
        "tb tib terabyte terabytes",
        "mm millimetre millimetres",
        "cm centimetre centimetres",
        "km kilometre kilometres kilometers",
        "mile miles",
        "foot feet ft",
        "kg kilogram kilograms",
    )
    for word in words.split()
}
_NUMBER_WORDS = {
    word: float(value)
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "  # noqa: SIM905
        "seventeen eighteen nineteen twenty".split()
    )
} | {"thirty": 30.0, "forty": 40.0, "fifty": 50.0, "sixty": 60.0, "ninety": 90.0, "hundred": 100.0, "dozen": 12.0}
_MONTHS = {
    name: float(place + 1)
    for place, names in enumerate(
        (
            "january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul", "august aug",
            "september sept sep", "october oct", "november nov", "december dec",
        )
    )
    for name in names.split()
}  # fmt: skip
_NAMED = _NUMBER_WORDS | _MONTHS
_WORD = re.compile(r"[^\W_]+(?:[._'’/-][^\W_]+)*")
_ORDINAL = re.compile(r"\s*(?:[-*+•]\s+)?(?:\*\*)?\(?\d{1,3}[.)]\s")  # of a list
_SENTENCE_START = re.compile(r"(?:\A|[.!?:]\s+|\n\s*)[\W_]*\Z")
_POSSESSIVE = re.compile(r"['’]s?\Z")

NEGATIONS = frozenset(
    """
    not no never none neither nor cannot without nobody nothing nowhere unable lacks lack lacked fails failed
    nicht kein keine keinen keiner keines keinem nie niemals ohne weder
    pas jamais aucun aucune sans nunca jamás ningún ninguna sin tampoco não sem nenhum non senza nessun niet geen nooit
    не нет без никогда ни
    """.split()  # noqa: SIM905
)
_NOT_ONLY = re.compile(r"\bnot (?:only|just|merely|limited to|necessarily)\b", re.IGNORECASE)
_SHORT_NOT = re.compile(r"n['’]t\b", re.IGNORECASE)
_UNSPACED_NOT = re.compile("[不没沒無无未非]|ない|ません|않|없")
_CLAUSE = re.compile(
    r"[,;:()\n—–]|(?<!\w)(?:but|while|whereas|although|though|however|unless|aber|sondern|mais|pero|and|or)(?!\w)",
    re.IGNORECASE,
)

# Words that exclude each other where everything else is the same.
_OPPOSED = (
    (
        "increase increases increased increasing rise rises rose risen grew grow grows higher more larger greater",
        "decrease decreases decreased decreasing fall falls fell fallen shrank shrink lower less fewer smaller reduce",
    ),
    (
        "enable enables enabled enabling allow allows allowed permitted",
        "disable disables disabled disabling forbid forbids forbidden prohibited",
    ),
    ("before earlier", "after later"),
    ("minimum least", "maximum most"),
    ("first", "last"),
    ("above over exceeds", "below under"),
    ("start starts started begin begins began opened", "stop stops stopped end ends ended closed"),
    ("required mandatory must", "optional"),
    ("include includes included", "exclude excludes excluded"),
    ("always", "sometimes rarely seldom"),
    ("all every", "some few"),
    ("true", "false"),
    ("success succeeded successful won", "failure failed unsuccessful lost"),
    ("public", "private"),
    ("synchronous", "asynchronous"),
    ("add adds added", "remove removes removed deleted"),
    ("import imports", "export exports"),
    ("buy buys bought", "sell sells sold"),
    ("north northern", "south southern"),
    ("east eastern", "west western"),
    ("male man men", "female woman women"),
    ("positive", "negative"),
    ("internal", "external"),
    ("input", "output"),
)


def _sides() -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """For each word those that mean the same, and those that exclude it."""
    found: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
    for pair in _OPPOSED:
        one, other = (frozenset(words.split()) for words in pair)
        found |= dict.fromkeys(one, (one, other)) | dict.fromkeys(other, (other, one))
    return found


_SIDES = _sides()
_PREFIXES = ("un", "in", "im", "ir", "il", "dis", "non", "non-")  # of a word that denies the rest of it


@dataclass(frozen=True, slots=True)
class Number:
    """A number with every value that its signs may stand for, and its unit where it is one that is known."""

    values: frozenset[float | str]
    unit: str  # empty: none, or one that is not known
    start: int

    def equals(self, other: Number) -> bool:
        """Whether both may be the same."""
        differ = self.unit and other.unit and self.unit != other.unit
        return not differ and not self.values.isdisjoint(other.values)


def numbers(text: str) -> list[Number]:
    """The numbers in digits, without those of a list's items; those in words only with a unit behind them."""
    found = []
    ordinal = _ORDINAL.match(text)
    for match in _NUMBER.finditer(text, ordinal.end() if ordinal else 0):
        after = (match["after"] or "").lower()
        unit, start = _UNITS.get(match["currency"] or after, ""), match.start("digits")
        values = _values(match["digits"], _SCALES.get(after, 1.0))
        found.append(Number(_signed(values, text, start), unit, start))
    for word, following in pairwise(_WORD.finditer(text)):
        value, unit = _NUMBER_WORDS.get(word[0].lower()), _UNITS.get(following[0].lower(), "")
        if value is not None and unit:
            found.append(Number(_signed(frozenset({value}), text, word.start()), unit, word.start()))
    return found


def loose_numbers(text: str) -> list[Number]:
    """Beside those of `numbers` what can be read as a number: words, months, digits inside of names."""
    said = ((word[0].lower(), word.start()) for word in _WORD.finditer(text))
    named = ((frozenset({_NAMED[word]}), start) for word, start in said if word in _NAMED)
    found = [Number(_signed(values, text, start), "", start) for values, start in named]
    plain = numbers(text)
    counted = {number.start for number in plain}
    inside = (match for match in _NUMBER_INSIDE.finditer(text) if match.start() not in counted)
    return [*plain, *found, *(Number(_values(match[0], 1.0), "", match.start()) for match in inside)]


def _values(digits: str, scale: float) -> frozenset[float | str]:
    """Both readings of 1,000 and 1.000; a version such as 1.2.3 as it stands."""
    found: set[float | str] = set()
    if _THOUSANDS.fullmatch(digits):
        found.add(float(re.sub(r"\D", "", digits)) * scale)
    plain = digits.replace(",", ".")
    if plain.count(".") <= 1 and "'" not in plain and "’" not in plain:
        found.add(float(plain) * scale)
    return frozenset(found or {digits})


def _signed(values: frozenset[float | str], text: str, start: int) -> frozenset[float | str]:
    """Below zero behind a minus; `5 -10` may be a range, so it is read both ways."""
    minus = _MINUS.search(text, max(start - len("minus $ "), 0), start)
    if minus is None:
        return values
    below = frozenset(-value if isinstance(value, float) else value for value in values)
    is_range = _BEHIND_NUMBER.search(text, max(minus.start() - 2, 0), minus.start())
    return values | below if is_range else below


def names(text: str) -> list[str]:
    """Words that name something: with a capital inside a sentence, in capitals, or with digits or signs inside.

    In lower case, in their order, each once. The first word of a sentence is one only if its looks say so.
    """
    found: dict[str, None] = {}
    for match in _WORD.finditer(text):
        word = _POSSESSIVE.sub("", match[0])
        if _is_name(word, text, match.start()):
            found.setdefault(word.casefold())
    return list(found)


def _is_name(word: str, text: str, start: int) -> bool:
    if word.isdigit() or len(word) == 1:
        return False
    if any(sign.isupper() for sign in word[1:]) or any(sign.isdigit() for sign in word):
        return True
    return word[0].isupper() and not _SENTENCE_START.search(text[max(start - 8, 0) : start])


def first_word(text: str) -> str:
    """The first word in lower case, if it has a capital: it may be a name, or only begin the sentence."""
    match = _WORD.search(text)
    return match[0].casefold() if match and match[0][0].isupper() else ""


def clauses(text: str) -> Iterator[str]:
    """The parts of a sentence that can be so or not on their own."""
    yield from (part for part in _CLAUSE.split(text) if part.strip())


@dataclass(frozen=True, slots=True)
class Spot:
    """A word in its place."""

    word: str  # in lower case and without the possessive
    start: int
    end: int

    def holds(self, place: int) -> bool:
        """Whether this offset of the text lies in it."""
        return self.start <= place < self.end


def spots(text: str) -> list[Spot]:
    """The words in their order."""
    return [
        Spot(_POSSESSIVE.sub("", match[0]).casefold(), match.start(), match.end()) for match in _WORD.finditer(text)
    ]


def words(text: str) -> frozenset[str]:
    """In lower case and without the possessive."""
    return frozenset(_POSSESSIVE.sub("", word[0]).casefold() for word in _WORD.finditer(text))


def differ(claim: str, evidence: str) -> bool:
    """Whether one of them denies what the other says, where both speak of the same."""
    said, known = words(claim), words(evidence)
    return (_denials(claim, said, known) + _denials(evidence, known, said)) % 2 == 1


def _denials(text: str, own: frozenset[str], others: frozenset[str]) -> int:
    """How often it says that something is not so."""
    text = _NOT_ONLY.sub("", text)
    negations = sum(word[0].casefold() in NEGATIONS for word in _WORD.finditer(text))
    prefixed = sum(any(word == prefix + other for prefix in _PREFIXES for other in others) for word in own - others)
    return negations + prefixed + len(_SHORT_NOT.findall(text)) + len(_UNSPACED_NOT.findall(text))


def opposed(claim: str, evidence: str) -> bool:
    """Whether a word of the claim is missing from the evidence, and one that excludes it stands there instead."""
    said, known = words(claim), words(evidence)
    for word in (said - known) & _SIDES.keys():
        same, other = _SIDES[word]
        if same.isdisjoint(known) and not other.isdisjoint(known - said):
            return True
    return False
