"""How one model server is spoken to, in its own protocol; which one is asked is not decided here."""

from ragstone.models.protocols.chat import open_chat
from ragstone.models.protocols.classify import classify
from ragstone.models.protocols.client import Client
from ragstone.models.protocols.embed import embed
from ragstone.models.protocols.rerank import rerank
from ragstone.models.protocols.usage import estimated, priced

__all__ = ["Client", "classify", "embed", "estimated", "open_chat", "priced", "rerank"]
