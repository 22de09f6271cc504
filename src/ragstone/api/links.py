"""Where people can read what was cited: stable addresses in the console."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from fastapi import Request

from ragstone.bootstrap import House
from ragstone.domain import Citation


class Links:
    """Addresses under which people reach the service."""

    def __init__(self, base: str) -> None:
        """Everything lies under this one."""
        self._base = base.rstrip("/")

    @classmethod
    def of(cls, request: Request) -> Links:
        """Under the address that is configured, else under the one that was asked."""
        house: House = request.app.state.house
        return cls(house.settings.public_url or str(request.base_url))

    def place(self, file_id: str, start: int, end: int) -> str:
        """The stretch of a document's text."""
        return f"{self._base}/console/files/{quote(file_id, safe='')}?start={start}&end={end}"

    @property
    def citation(self) -> Callable[[Citation], str]:
        """The place of the cited words."""
        return lambda cited: self.place(cited.file_id, cited.start_index, cited.end_index)
