"""What an answer repeats of its request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_RESULTS = "file_search_call.results"  # of `include`: the hits are wanted, too


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a response, with the identity of the response."""

    id: str  # resp_...
    created_at: int  # seconds since 1970
    model: str  # what answers, whatever name was asked for
    question: str
    body: Mapping[str, object] = field(default_factory=dict)  # the request in JSON's types; its settings come back

    @property
    def search_id(self) -> str:
        """Of the item that tells of the search."""
        return f"fs_{self._suffix}"

    @property
    def message_id(self) -> str:
        """Of the item that holds the answer."""
        return f"msg_{self._suffix}"

    @property
    def wants_results(self) -> bool:
        """Whether the hits are shown with the search."""
        include = self.body.get("include")
        return isinstance(include, list) and _RESULTS in include

    @property
    def background(self) -> bool:
        """Whether the answer is fetched later."""
        return self.body.get("background") is True

    def setting(self, name: str, default: object) -> object:
        """What the request says of this; null is as good as nothing."""
        value = self.body.get(name)
        return default if value is None else value

    @property
    def _suffix(self) -> str:
        # Items are named after their response: so a stream that is told again tells the same.
        return self.id.removeprefix("resp_")


@dataclass(frozen=True, slots=True)
class ChatAsked:
    """A request for a chat completion, with the identity of the completion."""

    id: str  # chatcmpl-...
    created_at: int  # seconds since 1970
    model: str  # as it was asked for
    include_usage: bool = False  # of `stream_options`: a last chunk counts the tokens
