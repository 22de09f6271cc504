"""The key for a member's server, as it is now."""

from __future__ import annotations

from ragstone.errors import SettingsError
from ragstone.models.faults import Fault, MemberError
from ragstone.settings.models import Model, secret

_HIDDEN = "***"


class Key:
    """Read again when its file changes; the environment is read each time. Never shown."""

    def __init__(self, model: Model) -> None:
        """Nothing is read yet."""
        self._model = model
        self._stamp: tuple[int, int, int] | None = None
        self._text: str | None = None

    def __repr__(self) -> str:
        """Not the key."""
        return f"Key(of {self._model.name})"

    def read(self) -> str | None:
        """The key; None where the member has none.

        Raises:
            MemberError: The file or the variable does not have it; counts as unauthorized.
        """
        stamp = self._stamp_now()
        if stamp is None or stamp != self._stamp:
            try:
                text = secret(self._model)
            except SettingsError as error:
                raise MemberError(error.what, why=error.why, fault=Fault.UNAUTHORIZED) from None
            if text is not None and not (text.isascii() and text.isprintable()):
                what = f"The key of the model {self._model.name} is malformed"
                raise MemberError(what, why="it is more than one line of ASCII", fault=Fault.UNAUTHORIZED)
            self._text, self._stamp = text, stamp
        return self._text

    def _stamp_now(self) -> tuple[int, int, int] | None:
        """What changes with the file; None: it has to be read in any case."""
        file = self._model.key_file
        if file is None:
            return None
        try:
            state = file.stat()
        except OSError:
            return None
        return state.st_ino, state.st_size, state.st_mtime_ns


def without(key: str | None, text: str) -> str:
    """The text without this key, in case that a server repeats what it was sent."""
    return text.replace(key, _HIDDEN) if key else text
