"""What an upload says of its file, before or behind the bytes."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, StringConstraints, ValidationError

from ragstone.access.askers import PRINCIPAL
from ragstone.api.uploads import Form, Part
from ragstone.errors import InvalidRequestError
from ragstone.storage.catalog.files import PostgresFiles
from ragstone.storage.catalog.uploading import Particulars, StoredFile

_LONGEST_NAME = 255  # characters
_BATCH_LIFETIME = timedelta(days=30)  # of a file for the batch interface, as OpenAI has it
# Control characters, and those that turn the direction of writing and so could hide an extension.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_PART_OF_FIELD = re.compile(r"(\w+)\[(\w*)\]")

Reader = Annotated[str, StringConstraints(pattern=PRINCIPAL, max_length=256)]
Readers = Annotated[list[Reader], Field(max_length=1000, fail_fast=True)]


class FileExpiry(BaseModel):
    """When a file is deleted by itself."""

    anchor: Literal["created_at"]
    seconds: int = Field(ge=3600, le=2_592_000)


class UploadFields(BaseModel):
    """The fields of the form beside the file."""

    purpose: Literal["assistants", "user_data", "batch"]
    readers: Readers = Field(
        default=[], description="Who may read it, such as user:alice and group:hr; nobody named: the whole tenant."
    )
    expires_after: FileExpiry | None = None

    @property
    def particulars(self) -> Particulars:
        """The same in the house's own terms."""
        lifetime = timedelta(seconds=self.expires_after.seconds) if self.expires_after else None
        if self.purpose == "batch" and lifetime is None:
            lifetime = _BATCH_LIFETIME
        return Particulars(self.purpose, tuple(sorted(set(self.readers))), lifetime)


# How the description of the interface shows the form; FastAPI would read it into memory.
UPLOAD_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "purpose"],
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": "The file, with its name."},
                        "purpose": {"type": "string", "enum": ["assistants", "user_data", "batch"]},
                        "readers": {
                            "type": "array",
                            "items": {"type": "string"},
                            "description": "Who may read it, such as user:alice and group:hr, as a repeated field or "
                            "one JSON list; nobody named: the whole tenant.",
                        },
                        "expires_after[anchor]": {"type": "string", "enum": ["created_at"]},
                        "expires_after[seconds]": {"type": "integer", "minimum": 3600, "maximum": 2_592_000},
                    },
                }
            }
        },
    }
}


async def receive(form: Form, files: PostgresFiles) -> StoredFile:
    """Store the file of a form, piece by piece; its other fields may stand before or behind it.

    Raises:
        InvalidRequestError: The form has no file or more than one, breaks off, or a field does not fit.
        RequestValidationError: A field does not fit.
        ObjectsUnavailableError: The place of the files cannot be reached.
    """
    fields: dict[str, list[str]] = {}
    part = await _read_fields(form, fields)
    if part is None:
        raise InvalidRequestError("The form has no file", remedy="Send one in the field file", param="file")
    name = _name_of(part)
    # Where the purpose is there, all fields are: whatever does not fit is told before the bytes are taken.
    readers = _checked(fields).particulars.readers if "purpose" in fields else ()
    async with files.upload(name, readers) as upload:
        if not await upload.write(part.pieces()):
            raise InvalidRequestError("The file is empty", remedy="Send one with content", param="file")
        if await _read_fields(form, fields) is not None:
            raise InvalidRequestError("The form has more than one file", remedy="Send one at a time", param="file")
        return await upload.finish(_checked(fields).particulars)


async def _read_fields(form: Form, fields: dict[str, list[str]]) -> Part | None:
    """Read up to the next file, or to the end."""
    while (part := await form.next()) is not None:
        if part.filename is not None:
            return part
        if part.name == "file":
            raise InvalidRequestError(
                "The field file has no file name", remedy="Send it as a file, with its name", param="file"
            )
        if _is_read(part.name):
            fields.setdefault(part.name, []).append(await part.text())
    return None


def _is_read(name: str) -> bool:
    """Whether a field of this name means anything here, such as `readers[]`."""
    return name.partition("[")[0] in UploadFields.model_fields


def _name_of(part: Part) -> str:
    """The name of the file without folders, which some clients send."""
    if part.name != "file":
        raise InvalidRequestError(f"The file stands in the field {part.name}", remedy="Send it as file", param="file")
    last = (part.filename or "").replace("\\", "/").rsplit("/", 1)[-1]
    name = _UNPRINTABLE.sub("", last).strip()
    if name in {"", ".", ".."} or len(name) > _LONGEST_NAME:
        raise InvalidRequestError(
            "The file has no usable name",
            why="it is longer than 255 characters" if len(name) > _LONGEST_NAME else "it is empty",
            remedy="Give it another",
            param="file",
        )
    return name


def _checked(fields: dict[str, list[str]]) -> UploadFields:
    try:
        return UploadFields.model_validate(_nested(fields))
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from None


def _nested(fields: dict[str, list[str]]) -> dict[str, object]:
    """The fields as JSON would have them: `expires_after[anchor]` is a part of `expires_after`."""
    found: dict[str, Any] = {}
    for name, values in fields.items():
        outer, inner = match.groups() if (match := _PART_OF_FIELD.fullmatch(name)) else (name, "")
        if outer == "readers":
            found.setdefault("readers", []).extend(reader for value in values for reader in _readers(value))
        elif inner:
            part = found.setdefault(outer, {})
            if isinstance(part, dict):
                part[inner] = values[-1]
        else:
            found[outer] = values[-1]
    return found


def _readers(value: str) -> list[object]:
    """One reader, or a JSON list of them."""
    if value.startswith("["):
        try:
            listed = json.loads(value)
        except (ValueError, RecursionError):
            return [value]
        return list(listed)
    return [value] if value else []
