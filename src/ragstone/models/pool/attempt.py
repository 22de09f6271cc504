"""One request to one member."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ragstone.domain import Usage
from ragstone.models.faults import MemberError

if TYPE_CHECKING:
    from ragstone.models.pool.member import Member


class Attempt:
    """One request to one member; it ends exactly once, in whichever way is reported first."""

    __slots__ = ("_freed", "_settle", "begun", "key", "member", "open", "phase", "said")

    def __init__(
        self,
        member: Member,
        phase: int,
        begun: float,
        settle: Callable[[Usage, float], None],
        freed: Callable[[], None],
    ) -> None:
        """It has been sent."""
        self.member = member
        self.phase = phase
        self.key = member.connections.key()
        self.begun = begun
        self.said = False  # whether its answer has begun
        self.open = True
        self._settle = settle
        self._freed = freed

    def begin_answer(self, now: float) -> None:
        """The first piece is here."""
        if self.open and not self.said:
            self.said = True
            self.member.began(self, now)
            self._freed()

    def end(self, usage: Usage, now: float) -> None:
        """All is said."""
        if self.open:
            self.begin_answer(now)
            self._close(usage, now)
            self.member.ended(self, usage, now)
            self._freed()

    def fail(self, error: MemberError, now: float) -> None:
        """It was not answered, or not to its end."""
        if self.open:
            self._close(error.usage, now)
            self.member.failed(self, error, now)
            self._freed()

    def call_off(self, usage: Usage, now: float) -> None:
        """Nobody needs it any more; without effect when it is over."""
        if self.open:
            self._close(usage, now)
            self.member.called_off(self, usage)
            self._freed()

    def give_up(self, usage: Usage, now: float) -> None:
        """Who asked has no more time, or has left; without effect when it is over."""
        if self.open:
            self._close(usage, now)
            self.member.given_up(self, usage, now)
            self._freed()

    def _close(self, usage: Usage, now: float) -> None:
        self.open = False
        if not self.said:
            self.member.over_waiting(self)
        self._settle(usage, now)
