"""What has to be done from time to time: merging of segments, removal of what has expired."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from ragstone.errors import RagstoneError

PERIOD = 60.0  # seconds

_logger = logging.getLogger("ragstone.worker")

Chore = Callable[[], Awaitable[object]]


class Housekeeping:
    """Chores of every worker, and those that one of them does for all."""

    def __init__(self, own: Sequence[Chore], common: Sequence[Chore], period: float = PERIOD) -> None:
        """Do these, every so many seconds."""
        self._own = own
        self._common = common
        self._period = period

    async def run(self, leads: Callable[[], bool]) -> None:
        """Until cancelled; the common chores only while this worker `leads`."""
        while True:
            await asyncio.sleep(self._period)
            for chore in (*self._own, *(self._common if leads() else ())):
                try:
                    await chore()
                except (RagstoneError, OSError) as error:
                    _logger.warning("housekeeping: %s", error)
                except Exception:  # the outermost loop: the next round may do better
                    _logger.exception("a defect met in housekeeping")
