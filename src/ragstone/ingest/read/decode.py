"""From a text file's bytes to its characters, whatever the encoding; cost grows with the size and no faster."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from ragstone.ingest.read.builder import clean

_SAMPLE = 64 * 1024  # bytes that a guess looks at
_NEAR = 3  # words
_FEW = 4  # bytes behind ASCII that are too few for statistics
_BOMS = (  # the longer ones first: the mark of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Encodings in real use today; with all 90 of the library, short texts are taken for DOS code pages of the Baltic.
_LEGACY = [
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp874", "koi8_r", "koi8_u"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949"),
]
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\x0b\x1b\x1a")) + b"\x7f"


@dataclass(frozen=True, slots=True)
class Decoded:
    """Characters and the encoding that they were written in."""

    text: str  # clean: see builder.clean
    encoding: str
    lossy: bool  # some bytes fit no character and became U+FFFD


def is_binary(data: bytes) -> bool:
    """Whether bytes are no text in any encoding, judged by the control characters at the beginning."""
    sample = data[:_SAMPLE]
    if not sample or sample.startswith(tuple(mark for mark, _ in _BOMS)) or _utf16_without_mark(sample):
        return False
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    nuls = sample.count(0)
    # A text may carry a few NULs and stray controls; compressed or compiled data has one in ten.
    return controls - nuls > len(sample) // 50 or nuls > len(sample) // 5


def decode(data: bytes) -> Decoded:
    """Characters of a text file: by byte order mark, as UTF-8, as UTF-16 without a mark, else by guess."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _decoded(data[len(mark) :], encoding)
    if encoding := _utf16_without_mark(data[:_SAMPLE]):
        return _decoded(data, encoding)
    try:
        return Decoded(clean(data.decode("utf-8")), "utf-8", lossy=False)
    except UnicodeDecodeError as error:
        sample = data[max(0, error.start - _SAMPLE // 2) : error.start + _SAMPLE // 2]
        return _decoded(data, _guess(sample))


def declared(data: bytes, encoding: str | None) -> Decoded:
    """Characters of bytes whose encoding is stated elsewhere, such as in a header; a wrong statement is ignored."""
    try:
        return Decoded(clean(data.decode(encoding or "utf-8")), encoding or "utf-8", lossy=False)
    except (UnicodeError, LookupError):
        return decode(data)


def _decoded(data: bytes, encoding: str) -> Decoded:
    text = data.decode(encoding, "replace")
    return Decoded(clean(text), encoding, lossy="\ufffd" in text)


def _utf16_without_mark(sample: bytes) -> str:
    """Latin letters, blanks and line ends leave zeros in every other byte."""
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if odd * 50 > len(sample) and even * 20 <= odd:
        return _proven(sample, "utf-16-le")
    if even * 50 > len(sample) and odd * 20 <= even:
        return _proven(sample, "utf-16-be")
    return ""


def _proven(sample: bytes, encoding: str) -> str:
    """The encoding if it gives characters that occur in texts, else nothing."""
    text = sample[: len(sample) // 2 * 2].decode(encoding, "replace")
    odd = sum(1 for character in text if not character.isprintable() and character not in "\t\n\r\f\ufeff")
    return encoding if odd <= len(text) // 50 else ""


def _telling(sample: bytes) -> bytes:
    """The words with letters beyond ASCII and their neighbours: among many plain words, a few say little."""
    words = sample.split(b" ")
    told = {number for number, word in enumerate(words) if not word.isascii()}
    near = (number for number in range(len(words)) if not told.isdisjoint(range(number - _NEAR, number + _NEAR + 1)))
    return b" ".join(words[number] for number in near)


def _guess(sample: bytes) -> str:
    from charset_normalizer import from_bytes

    high = len(sample) - len(sample.translate(None, bytes(range(128, 256))))
    mostly = sample.decode("utf-8", "replace")
    bad = mostly.count("\ufffd")
    if sum(map(str.isalpha, mostly)) and bad * 10 < sum(1 for character in mostly if character > "\x7f") - bad:
        return "utf-8"  # a few broken bytes in a text that is UTF-8 otherwise
    if high < _FEW:
        return "cp1252"
    matches = from_bytes(_telling(sample), cp_isolation=_LEGACY)
    best = matches.best()
    if best is None:
        return "cp1252"
    for match in matches:
        if "cp1252" in (match.encoding, *match.could_be_from_charset):
            close = match.chaos <= best.chaos + 0.05 and match.coherence >= best.coherence - 0.1
            return "cp1252" if close else best.encoding
    return best.encoding
