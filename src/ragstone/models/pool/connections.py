"""How one member's server is reached, as the member is set up."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from ragstone.errors import SettingsError
from ragstone.models.faults import Fault, MemberError
from ragstone.models.pool.outside import Outside
from ragstone.models.protocols import Client
from ragstone.settings.models import Model

Version: TypeAlias = tuple[int, ...] | None  # what tells one content of a file from another; None: there is no file


class Connections:
    """To one member's server; made when they are needed, and again when its authorities were exchanged."""

    def __init__(self, model: Model, outside: Outside) -> None:
        """Nothing is connected yet."""
        self._model = model
        self._outside = outside
        self._client: Client | None = None
        self._all: list[Client] = []  # with those of former authorities, whose last answers may not be over
        self._authorities: Version = None

    def client(self, *, is_trying: bool) -> Client:
        """What speaks to the server; `is_trying` when the request finds out whether the server works again.

        Raises:
            MemberError: The member is set up in a way that allows for no connection.
        """
        if self._client is None or (is_trying and _version(self._model.ca_file) != self._authorities):
            self._authorities = _version(self._model.ca_file)
            try:
                self._client = self._outside.client(self._model)
            except SettingsError as error:
                raise MemberError(error.what, why=error.why, fault=Fault.UNAUTHORIZED) from error
            self._all.append(self._client)
        return self._client

    @property
    def was_asked(self) -> bool:
        """Whether the server has said which model it serves, because nothing was set up."""
        return not self._model.model and self.served is not None

    @property
    def served(self) -> str | None:
        """The server's name for the model, as far as it is known."""
        return self._model.model or (self._client.found if self._client else None)

    def key(self) -> Version:
        """What tells one key from another without being one; the environment's is always the same."""
        return _version(self._model.key_file)

    async def close(self) -> None:
        """End them."""
        clients, self._all, self._client = self._all, [], None
        for client in clients:
            await client.close()


def _version(file: Path | None) -> Version:
    if file is None:
        return None
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
