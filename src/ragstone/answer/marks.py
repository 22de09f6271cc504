"""What a language model writes that is not for the reader: ids of passages, and thoughts between tags."""

# ruff: noqa: RUF001 - the brackets and dashes that models use

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_NAME = r"(?:(?:passages?|sources?|ids?|refs?|doc(?:ument)?s?)[\s:=#.]*)?"
_IDS = rf'\^?{_NAME}"?[1-9]\d{{0,2}}"?(?:(?:\s*(?:[,;&]|and|to|[-–])\s*|\s+){_NAME}"?[1-9]\d{{0,2}}"?)*'
_TOKEN = re.compile(
    rf"""(?P<fence>^[ \t]*(?:```|~~~)[^\n]*(?:\n|\Z))
    |(?P<code>`[^`\n]+`)
    |<(?P<tag>think|thinking|thought|reasoning|reflection)>
    |(?P<stray>(?:</(?:think|thinking|thought|reasoning|reflection)>|</?passage\b[^<>\n]*>))
    |(?P<ids>[ \t]*(?:\[{_IDS}\](?:\(\#?[^()\s]*\))?|【{_IDS}(?:†[^】\n]*)?】|\({_NAME[:-1]}\s+{_IDS}\)))""",
    re.VERBOSE | re.MULTILINE | re.IGNORECASE,
)
# What the next words could make a token of; where it is no more than this long, it is waited for.
_BEGUN = re.compile(
    r"(?:[ \t]+|[ \t]*(?:\[[^\[\]\n]{0,60}(?:\](?:\([^()\s]{0,200})?)?|【[^】\n]{0,60}|<[^<>\n]{0,60}|\([^()\n]{0,60})"
    r"|`[^`\n]{0,200}|^[ \t]*(?:`{1,3}|~{1,3})[^\n]{0,60})\Z",
    re.MULTILINE | re.IGNORECASE,
)
_LINK_BEGUN = re.compile(r"(?:\([^()\s]{0,200})?")
_FENCE_END = re.compile(r"^[ \t]*(?:```|~~~)[^\n]*(?:\n|\Z)", re.MULTILINE)
_NUMBERS = re.compile(r"(\d+)(?:\s*(?:[-–]|to)\s*(\d+))?")
_MOST = 20  # passages that one range names: more is no citation but a span of something else
_LEADS_TO = re.compile(r"\b(?:according to|in|by|from|per|see|of|to)\s*\Z", re.IGNORECASE)
_LONGEST_TAG = 16


@dataclass(frozen=True, slots=True)
class Mark:
    """Here the model named these passages."""

    ids: frozenset[int]


class Cleaner:
    """Takes what a model writes, piece by piece, and gives back what the reader is to see, and the marks in it."""

    def __init__(self) -> None:
        self._held = ""
        self._behind = ""  # the last words that were given back
        self._inside = ""  # the tag of a thought, or `fence`; empty: neither

    def feed(self, piece: str) -> Iterator[str | Mark]:
        """What is certain with this piece."""
        self._held += piece
        yield from self._given(last=False)

    def end(self) -> Iterator[str | Mark]:
        """The rest, when no more comes."""
        yield from self._given(last=True)

    def _given(self, *, last: bool) -> Iterator[str | Mark]:
        while self._held:
            if self._inside:
                yield from self._leave(last=last)
                if self._inside:
                    return
                continue
            token = _TOKEN.search(self._held)
            if token is None or (not last and self._may_grow(token)):
                cut = len(self._held) if last else self._settled(token)
                yield from self._say(self._held[:cut])
                self._held = self._held[cut:]
                return
            yield from self._say(self._held[: token.start()])
            self._held = self._held[token.end() :]
            yield from self._take(token)

    def _may_grow(self, token: re.Match[str]) -> bool:
        if token["ids"]:
            return _LINK_BEGUN.fullmatch(self._held, token.end()) is not None
        return bool(token["fence"]) and not token["fence"].endswith("\n")

    def _settled(self, token: re.Match[str] | None) -> int:
        """How much of what is held can no longer become a token."""
        marks = [mark.start() for mark in (token, _BEGUN.search(self._held)) if mark is not None]
        return min(marks, default=len(self._held))

    def _take(self, token: re.Match[str]) -> Iterator[str | Mark]:
        if token["tag"]:
            self._inside = token["tag"].lower()
        elif token["ids"]:
            ids = _ids(token["ids"])
            if not ids:
                yield from self._say(token[0])
                return
            if _LEADS_TO.search(self._behind):
                yield from self._say(" the passage")
            yield Mark(ids)
        elif not token["stray"]:
            yield from self._say(token[0])
            if token["fence"]:
                self._inside = "fence"

    def _leave(self, *, last: bool) -> Iterator[str]:
        """Go on to the end of the thought, which is dropped, or of the code, which is said as it stands."""
        if self._inside == "fence":
            ending = _FENCE_END.search(self._held)
            known = len(self._held) if last else self._held.rfind("\n") + 1
            cut = known if ending is None else ending.end() if last or ending[0].endswith("\n") else ending.start()
            yield from self._say(self._held[:cut])
            closed = ending is not None and cut == ending.end()
        else:
            at = self._held.lower().find(f"</{self._inside}>")
            cut = at + len(self._inside) + 3 if at >= 0 else max(len(self._held) - _LONGEST_TAG, 0)
            closed = at >= 0
        self._held = self._held[cut:]
        if closed or last:
            self._inside = ""
            self._held = "" if last and not closed else self._held

    def _say(self, text: str) -> Iterator[str]:
        if text:
            self._behind = (self._behind + text)[-_LONGEST_TAG:]
            yield text


def _ids(mark: str) -> frozenset[int]:
    """The ids in a mark; none when it is no mark but a range of something else."""
    found: set[int] = set()
    for first, last in _NUMBERS.findall(mark.partition("†")[0].partition("](")[0]):
        begin, end = int(first), int(last or first)
        if not 0 <= end - begin < _MOST:
            return frozenset()
        found.update(range(begin, end + 1))
    return frozenset(found)
