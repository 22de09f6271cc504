"""The only place that chooses implementations.

Libraries are imported where they are used: `ragstone --help` needs none of them, and the process that reads files
needs no database.
"""

from __future__ import annotations

from ragstone.bootstrap.askers import COMMAND_LINE, TENANT, everything, operator
from ragstone.bootstrap.database import DATABASE, embedded_server, open_database
from ragstone.bootstrap.house import House, open_house
from ragstone.bootstrap.ingestion import READER_COMMAND, open_ingestion, open_work
from ragstone.bootstrap.models import embedder, model_pool, tokenizer
from ragstone.bootstrap.session import Session

__all__ = [
    "COMMAND_LINE",
    "DATABASE",
    "READER_COMMAND",
    "TENANT",
    "House",
    "Session",
    "embedded_server",
    "embedder",
    "everything",
    "model_pool",
    "open_database",
    "open_house",
    "open_ingestion",
    "open_work",
    "operator",
    "tokenizer",
]
