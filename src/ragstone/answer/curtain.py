"""What a model reasons before it answers, which is not for the reader."""

from __future__ import annotations

import re

from ragstone.answer.marks import TAGS

_THOUGHT = re.compile(rf"<({TAGS})>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_REASONING = re.compile(r"[\s>#*_]*reasoning[*_ \t]*(?:[:\n]|\Z)", re.IGNORECASE)  # as the template asks for it


class Curtain:
    """Hides what comes before certain words, outside of thoughts between tags.

    If the words never come, nothing was hidden; but where `REASONING:` stands at the beginning, nothing was said.
    """

    def __init__(self, words: str) -> None:
        # With a greatest length, so that only the end of what is hidden has to be searched again.
        pattern = r"[ \t]{0,4}".join(map(re.escape, words.split()))
        self._sign = re.compile(
            rf"<(?P<thought>{TAGS})>|</(?P<over>{TAGS})>|^[ \t>#*_]{{0,8}}{pattern}[*_]{{0,3}}\s{{0,8}}",
            re.MULTILINE | re.IGNORECASE,
        )
        self._longest = len(pattern) + 32  # characters, at least, of a sign
        self._words = words
        self._held = ""
        self._searched = 0
        self._thought = ""  # tag of the one that is open
        self._open = not words

    def feed(self, piece: str) -> str:
        """What is to be seen of this piece and those before it."""
        if self._open:
            return piece
        self._held += piece
        return self._behind(last=False) or ""

    def end(self) -> str:
        """The rest, when no more comes."""
        if self._open:
            return ""
        behind = self._behind(last=True)
        if behind is not None:
            return behind
        said = _THOUGHT.sub("", self._held)
        _, sign, rest = said.rpartition(self._words)  # a small model may forget the new line
        if sign:
            return rest
        return "" if _REASONING.match(said) else self._held

    def _behind(self, *, last: bool) -> str | None:
        """What follows the words, once they have come."""
        for sign in self._sign.finditer(self._held, self._searched):
            if sign.end() == len(self._held) and not last:  # blanks and marks may follow
                return None
            self._searched = sign.end()
            if sign["thought"] or sign["over"]:
                self._think(sign)
            elif not self._thought:
                self._open = True
                return self._held[sign.end() :]
        self._searched = max(self._searched, len(self._held) - self._longest)
        return None

    def _think(self, sign: re.Match[str]) -> None:
        if not self._thought:
            self._thought = (sign["thought"] or "").lower()
        elif (sign["over"] or "").lower() == self._thought:
            self._thought = ""
