"""The file of models: who answers, embeds and reranks, in which order, and at which price."""

from __future__ import annotations

import os
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ragstone.errors import SettingsError


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Kind(StrEnum):
    """What a model does."""

    CHAT = "chat"
    EMBEDDING = "embedding"
    RERANK = "rerank"
    CLASSIFY = "classify"


class Protocol(StrEnum):
    """How a model's server is spoken to."""

    OPENAI = "openai"  # and all that is compatible: vLLM, KServe, KAITO, Ollama, llama-server, hosted ones
    AZURE = "azure"  # the same under deployment paths with an api-version
    ANTHROPIC = "anthropic"  # Messages
    OIP = "open-inference"  # KServe's Open Inference Protocol v2


_SPOKEN = {
    Kind.CHAT: {Protocol.OPENAI, Protocol.AZURE, Protocol.ANTHROPIC},
    Kind.EMBEDDING: {Protocol.OPENAI, Protocol.AZURE, Protocol.OIP},
    Kind.RERANK: {Protocol.OPENAI, Protocol.OIP},
    Kind.CLASSIFY: {Protocol.OIP},
}


class Price(_Part):
    """For a million tokens, in a currency of your choice."""

    input: float = Field(default=0.0, ge=0, description="Tokens that are read.")
    cached_input: float | None = Field(default=None, ge=0, description="Tokens that were read before; none: as input.")
    output: float = Field(default=0.0, ge=0, description="Tokens that are written.")


class Limits(_Part):
    """What one process asks of a member at most."""

    requests_per_minute: int | None = Field(default=None, ge=1, description="Requests a minute.")
    tokens_per_minute: int | None = Field(default=None, ge=1, description="Tokens a minute, read and written.")
    concurrent: int | None = Field(default=None, ge=1, description="Requests at the same time.")


class Timeouts(_Part):
    """Seconds after which a member has failed."""

    connect: float = Field(default=3.0, gt=0, description="Until there is a connection.")
    first_token: float = Field(default=30.0, gt=0, description="From the request to the first token.")
    between_tokens: float = Field(default=15.0, gt=0, description="From one token to the next.")
    total: float = Field(default=120.0, gt=0, description="For the whole answer.")


class Model(_Part):
    """A member of the pool: a [[models]] block."""

    name: str = Field(pattern=r"^[\w.:/@-]{1,64}$", description="Unique in the file; answers and metrics name it.")
    kind: Kind = Field(default=Kind.CHAT, description="What it does.")
    protocol: Protocol = Field(default=Protocol.OPENAI, description="How its server is spoken to.")
    url: str = Field(
        pattern=r"^https?://[^\s?#@]+$",
        description="Base address, with /v1 where there is one; keys and passwords do not belong into it.",
    )
    model: str | None = Field(default=None, description="The server's name for it; none: the only one it has.")
    api_version: str | None = Field(default=None, description="Of Azure OpenAI; none: its versionless v1 interface.")
    key_file: Path | None = Field(default=None, description="File with the key, read again when it changes.")
    key_env: str | None = Field(default=None, description="Environment variable with the key.")
    ca_file: Path | None = Field(default=None, description="PEM file of its authorities; none: the system's.")
    headers: dict[str, str] = Field(default_factory=dict, description="Sent with every request; no secrets.")
    max_tokens_field: str | None = Field(
        default=None,
        pattern=r"^\w+$",
        description="Name that its server has for the limit of an answer; none: max_completion_tokens for OpenAI's and "
        "Azure's own hosts, else max_tokens.",
    )
    omit: tuple[str, ...] = Field(
        default=(),
        description="Fields that its server refuses, such as temperature, seed or stream_options; they are not sent.",
    )
    extra_body: dict[str, object] = Field(
        default_factory=dict, description="Fields that its server wants in every request, such as reasoning_effort."
    )
    group: int = Field(default=0, description="Members of the lowest group are asked first.")
    weight: float = Field(default=1.0, gt=0, description="Share of the requests inside the group.")
    context_tokens: int = Field(default=8192, ge=512, description="Window: prompt and answer together.")
    max_output_tokens: int | None = Field(default=None, ge=1, description="Longest answer; none: what fits the window.")
    json_schema: bool = Field(default=False, description="Whether it can keep to a JSON schema.")
    log_probabilities: bool = Field(default=False, description="Whether it tells log-probabilities.")
    dimension: int | None = Field(default=None, ge=1, description="Of an embedding model: length of its vectors.")
    max_input_tokens: int = Field(default=512, ge=16, description="Of an embedding model: longer texts are cut by it.")
    query_prefix: str = Field(default="", description="Of an embedding model: stands before every question.")
    passage_prefix: str = Field(default="", description="Of an embedding model: stands before every passage.")
    price: Price = Field(default=Price(), description="Of its tokens.")
    limits: Limits = Field(default=Limits(), description="What is asked of it at most.")
    timeouts: Timeouts = Field(default=Timeouts(), description="When it counts as failed.")

    @field_validator("url")
    @classmethod
    def _leads_somewhere(cls, url: str) -> str:
        parts = urlsplit(url)  # raises a ValueError for brackets that are no IPv6 address, and `port` for one too high
        if not parts.hostname or parts.port == 0:
            raise ValueError("it names no host and port that there can be")
        return url

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.protocol not in _SPOKEN[self.kind]:
            known = ", ".join(sorted(_SPOKEN[self.kind]))
            raise ValueError(f"the protocol {self.protocol} is not spoken with {self.kind} models: {known} is")
        if self.key_file is not None and self.key_env is not None:
            raise ValueError("key_file and key_env exclude each other")
        if self.model is None and self.protocol is not Protocol.OPENAI:
            raise ValueError(f"a server that speaks {self.protocol} needs the name of the model")
        if self.kind is Kind.EMBEDDING and self.dimension is None:
            raise ValueError("an embedding model needs its dimension")
        return self


class Pool(_Part):
    """How the members stand in for each other: the [pool] table."""

    retry_ratio: float = Field(default=0.1, ge=0, le=1, description="Further attempts for each request, over time.")
    retry_reserve: float = Field(default=10, ge=0, description="Attempts that may be made at once beyond that.")
    attempts: int = Field(default=3, ge=1, le=10, description="Members that one request is tried on at most.")
    failures_to_open: int = Field(default=3, ge=1, description="Failures in a row after which a member is left alone.")
    open_seconds: float = Field(default=5.0, gt=0, description="Time until it is tried again; doubled while it fails.")
    open_seconds_most: float = Field(default=60.0, gt=0, description="Longest such time.")
    hedge_seconds: float | None = Field(
        default=None, gt=0, description="Without a first token for this long, another member is asked as well."
    )
    queue_seconds: float = Field(default=2.0, ge=0, description="Wait for a member that is at its limits.")


class Models(_Part):
    """All of the file."""

    pool: Pool = Field(default=Pool())
    models: tuple[Model, ...] = Field(default=())

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names = [model.name for model in self.models]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two models have the name {twice[0]}")
        return self

    def of(self, kind: Kind) -> tuple[Model, ...]:
        """Those that do this."""
        return tuple(model for model in self.models if model.kind is kind)


def read_models(file: Path) -> Models:
    """What the file says.

    Raises:
        SettingsError: It cannot be read or does not fit; the place in it is named.
    """
    try:
        return Models.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"The models file {file} cannot be read", why=str(error)) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "as a whole"
        raise SettingsError(f"The models file {file} does not fit at {place}", why=first["msg"]) from None


def secret(model: Model) -> str | None:
    """The key for a model's server as it is now; None where none is named.

    Raises:
        SettingsError: The file or the variable that is named does not have it.
    """
    if model.key_env is not None:
        value = os.environ.get(model.key_env, "").strip()
        if not value:
            raise SettingsError(f"The key of the model {model.name} is missing", why=f"{model.key_env} is not set")
        return value
    if model.key_file is None:
        return None
    try:
        value = model.key_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The key of the model {model.name} cannot be read", why=str(error)) from None
    if not value or not value.isprintable():
        raise SettingsError(f"The key of the model {model.name} is missing", why=f"{model.key_file} holds none")
    return value
