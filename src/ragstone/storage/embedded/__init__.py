"""A PostgreSQL of our own inside the data folder: started by who needs it first, ended with its last user."""

from ragstone.storage.embedded.server import EmbeddedServer

__all__ = ["EmbeddedServer"]
