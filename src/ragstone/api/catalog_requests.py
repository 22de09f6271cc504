"""What clients send about stores and the files in them; unknown fields are ignored, as OpenAI's clients expect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator

from ragstone.api.receiving import Readers
from ragstone.domain import Chunking, Rewriting, Unsupported
from ragstone.domain import Strategy as Answering
from ragstone.flows.kit import REWRITING, STRATEGY, UNSUPPORTED
from ragstone.storage.catalog.attaching import Attachment
from ragstone.storage.catalog.store_catalog import Label
from ragstone.text import analyzer

Key: TypeAlias = Annotated[str, StringConstraints(max_length=64)]
Text: TypeAlias = Annotated[str, StringConstraints(max_length=512)]
Metadata: TypeAlias = Annotated[dict[Key, Text], Field(max_length=16)]
FileAttributes: TypeAlias = Annotated[
    dict[Key, bool | int | Annotated[float, Field(allow_inf_nan=False)] | Text], Field(max_length=16)
]
FileIds: TypeAlias = Annotated[list[str], Field(fail_fast=True)]

_STEERING: Mapping[str, Iterable[StrEnum]] = {STRATEGY: Answering, REWRITING: Rewriting, UNSUPPORTED: Unsupported}
_STEERED = f"Words of your own; {STRATEGY}, {REWRITING} and {UNSUPPORTED} steer the answers of language models."


def _steering(metadata: dict[str, str]) -> dict[str, str]:
    """Metadata whose keys that steer answers have values that do."""
    for key, kind in _STEERING.items():
        known = [choice.value for choice in kind]
        if key in metadata and metadata[key] not in known:
            raise ValueError(f"{key} is {metadata[key]!r}, and not one of {', '.join(known)}")
    return metadata


StoreMetadata: TypeAlias = Annotated[Metadata, AfterValidator(_steering)]


def _language(name: str) -> str:
    analyzer.terms("", name)
    return name


class StaticSizes(BaseModel):
    """Sizes of chunks, in tokens of the embedder; it reads no more than its limit of each."""

    max_chunk_size_tokens: int = Field(ge=100, le=4096)
    chunk_overlap_tokens: int = Field(ge=0, description="At most half of max_chunk_size_tokens.")

    @model_validator(mode="after")
    def _overlap_is_at_most_half(self) -> StaticSizes:
        if 2 * self.chunk_overlap_tokens > self.max_chunk_size_tokens:
            raise ValueError("chunk_overlap_tokens is more than half of max_chunk_size_tokens")
        return self


class AutoStrategy(BaseModel):
    """Chunks as the service cuts them best."""

    type: Literal["auto"]


class StaticStrategy(BaseModel):
    """Chunks of a chosen size."""

    type: Literal["static"]
    static: StaticSizes


Strategy: TypeAlias = Annotated[AutoStrategy | StaticStrategy, Field(discriminator="type")]


class StoreExpiry(BaseModel):
    """When a store comes to its end.

    What it holds is removed then. It can be looked at and deleted; every other request for it is answered with 400 and
    the code `vector_store_expired`.
    """

    anchor: Literal["last_active_at"]
    days: int = Field(ge=1, le=365, description="Without a search, an upload into it or a change of it.")


class CreateStore(BaseModel):
    """The body that makes a store."""

    name: str | None = Field(default=None, max_length=256)
    description: str | None = Field(default=None, max_length=2048)
    file_ids: Annotated[FileIds, Field(max_length=500)] | None = None
    chunking_strategy: Strategy | None = None
    expires_after: StoreExpiry | None = None
    metadata: StoreMetadata | None = Field(default=None, description=_STEERED)
    language: Annotated[str, AfterValidator(_language)] | None = Field(
        default=None, description="Snowball name of the stemmer for Latin script, such as german; none: english."
    )

    def label(self) -> Label:
        """What is said of it."""
        days = self.expires_after.days if self.expires_after else None
        return Label(self.name or "", self.description or "", self.metadata or {}, days)

    def attachments(self) -> list[Attachment]:
        """The files that it begins with."""
        return [Attachment(file_id, chunking=chunking(self.chunking_strategy)) for file_id in _once(self.file_ids)]


class UpdateStore(BaseModel):
    """The body that changes a store; what is left out stays, null removes."""

    name: str | None = Field(default=None, max_length=256)
    description: str | None = Field(default=None, max_length=2048)
    expires_after: StoreExpiry | None = None
    metadata: StoreMetadata | None = Field(default=None, description=_STEERED)

    def changes(self) -> dict[str, Any]:
        """What is to be changed, by the fields of a store's label."""
        values: dict[str, Any] = {
            "name": self.name or "",
            "description": self.description or "",
            "expires_after": self.expires_after.days if self.expires_after else None,
            "metadata": self.metadata or {},
        }
        names = {"expires_after": "expires_after_days"}
        return {names.get(name, name): values[name] for name in self.model_fields_set}


class AttachFile(BaseModel):
    """The body that puts a file into a store."""

    file_id: str
    attributes: FileAttributes | None = None
    chunking_strategy: Strategy | None = None
    readers: Readers | None = Field(
        default=None, description="Who may find it, such as user:alice and group:hr; null: who may read the file."
    )

    def attachment(self) -> Attachment:
        """The same in the house's own terms."""
        readers = None if self.readers is None else tuple(sorted(set(self.readers)))
        return Attachment(self.file_id, self.attributes, chunking(self.chunking_strategy), readers)


class UpdateStoreFile(BaseModel):
    """The body that changes a file in a store; what is left out stays."""

    attributes: FileAttributes | None = Field(default=None, description="All of them; null removes them.")
    readers: Readers | None = Field(default=None, description="All of them; an empty list: the whole tenant.")


class AttachFiles(BaseModel):
    """The body that puts several files into a store."""

    file_ids: Annotated[FileIds, Field(min_length=1, max_length=2000)] | None = None
    files: Annotated[list[AttachFile], Field(min_length=1, max_length=2000, fail_fast=True)] | None = Field(
        default=None, description="Instead of file_ids, with attributes and strategy of each."
    )
    attributes: FileAttributes | None = None
    chunking_strategy: Strategy | None = None

    @model_validator(mode="after")
    def _one_kind_of_list(self) -> AttachFiles:
        if (self.file_ids is None) == (self.files is None):
            raise ValueError("give either file_ids or files")
        named = [file.file_id for file in self.files or []]
        if len(set(named)) < len(named):
            raise ValueError("files names a file twice")
        return self

    def attachments(self) -> list[Attachment]:
        """The same in the house's own terms."""
        if self.files is not None:
            return [file.attachment() for file in self.files]
        cut = chunking(self.chunking_strategy)
        return [Attachment(file_id, self.attributes, cut) for file_id in _once(self.file_ids)]


def chunking(strategy: AutoStrategy | StaticStrategy | None) -> Chunking | None:
    """How the chunks are to be cut; None when the service chooses."""
    if not isinstance(strategy, StaticStrategy):
        return None
    return Chunking(strategy.static.max_chunk_size_tokens, strategy.static.chunk_overlap_tokens)


def _once(file_ids: FileIds | None) -> list[str]:
    return list(dict.fromkeys(file_ids or []))
