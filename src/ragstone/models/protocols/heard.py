"""What has been heard of an answer so far, whatever the protocol."""

from __future__ import annotations

from dataclasses import dataclass, field

from ragstone.domain import Finish, Piece, Usage
from ragstone.errors import RagstoneError


class UnfitError(RagstoneError):
    """A document is not what the protocol says; names the place in it, never what stands there."""


class ToldError(RagstoneError):
    """The server ends its answer with an error."""

    def __init__(self, error: object) -> None:
        """Keep what it says."""
        super().__init__("the server tells an error")
        self.error = error


@dataclass(slots=True)
class Heard:
    """Filled event by event; `piece` takes out what is new."""

    texts: list[str] = field(default_factory=list)
    reasonings: list[str] = field(default_factory=list)
    finish: Finish | None = None
    is_early: bool = False  # whether more was said behind a finish: then it is no sign of the end
    usage: Usage | None = None
    model: str = ""
    is_over: bool = False  # nothing follows
    characters: int = 0  # of all pieces, reasoning included

    @property
    def written(self) -> int:
        """Characters that the model wrote, whether they were said or not."""
        return self.characters + sum(map(len, self.texts)) + sum(map(len, self.reasonings))

    def said_more(self) -> None:
        """Words have come; a finish that was told before them is none."""
        if self.finish is not None:
            self.finish, self.is_early = None, True

    def piece(self) -> Piece | None:
        """What has come since the last time; several tokens at once when they came at once.

        Without the one character that no database keeps, and no search takes.
        """
        if not self.texts and not self.reasonings:
            return None
        piece = Piece("".join(self.texts).replace("\0", ""), "".join(self.reasonings))
        self.texts.clear()
        self.reasonings.clear()
        self.characters += len(piece.text) + len(piece.reasoning)
        return piece
