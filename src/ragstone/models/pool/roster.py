"""Who the members are: a file that may change at any time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from ragstone.errors import SettingsError
from ragstone.settings.models import Models, read_models

CHECK_SECONDS = 2.0  # between two looks at the file

_log = logging.getLogger(__name__)

_Mark = tuple[int, ...] | None  # what tells one version of the file from another; None: there is no file


class Roster:
    """The models file as it is now, looked at when it is used.

    A version that does not fit changes nothing: the former one stays, the log has a line, and `trouble` says why.
    What a ConfigMap's update swaps is a link above the file, which the look through it notices.
    """

    def __init__(
        self, file: Path, *, required: bool, fixed: Models | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Read the file for the first time.

        Args:
            file: May be missing, unless it is required.
            required: Whether it was named and must be there.
            fixed: Models beside the file; they replace the file's of the same kinds.
            clock: Seconds; never goes back.

        Raises:
            SettingsError: The file does not fit, or is missing although it is required.
        """
        self._file = file
        self._required = required
        self._fixed = fixed or Models()
        self._clock = clock
        self._mark = self._look()
        self._current = self._joined(read_models(file) if required or self._mark else self._without_file)
        self._looked_at = clock()
        self._missed = False
        self._trouble: str | None = None

    @property
    def trouble(self) -> str | None:
        """What is wrong with the file's present version; None: it is in use."""
        return self._trouble

    def current(self) -> Models:
        """The members; the same object as long as nothing changes."""
        now = self._clock()
        if now - self._looked_at >= CHECK_SECONDS:
            self._looked_at = now
            self._refresh()
        return self._current

    def _refresh(self) -> None:
        mark = self._look()
        # Who replaces a file may remove it first: only what is still missing at the next look is gone.
        missed, self._missed = self._missed, mark is None and self._mark is not None
        # What could not be read may be readable at the next look, without having changed.
        if (mark == self._mark and self._trouble is None) or (self._missed and not missed):
            return
        self._mark, self._missed = mark, False
        try:
            read = read_models(self._file) if mark or self._required else self._without_file
            self._current = self._joined(read)
        except SettingsError as error:
            former, self._trouble = self._trouble, str(error)
            if self._trouble != former:
                _log.warning("%s; the former models stay in use", error)
        else:
            self._trouble = None
            _log.info("The models file %s was read again: %d models", self._file, len(self._current.models))

    @property
    def _without_file(self) -> Models:
        return Models(pool=self._fixed.pool)

    def _look(self) -> _Mark:
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size

    def _joined(self, read: Models) -> Models:
        """With those beside the file, which come first and whose names are theirs."""
        kinds = {model.kind for model in self._fixed.models}
        names = {model.name for model in self._fixed.models}
        others = (model for model in read.models if model.kind not in kinds and model.name not in names)
        return Models(pool=read.pool, models=(*self._fixed.models, *others)) if self._fixed.models else read
