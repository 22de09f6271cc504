"""Prompt templates: text files with a part for each role, filled with named values.

A file `NAME.md` begins with its version in a line `version: 1`. A line `# system`, `# user` or `# assistant` begins a
message; in it `$name` stands for a value, and `$$` for a dollar. Values are never read for names, so whatever a
document or an asker writes cannot reach into the template.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template as Text

from ragstone.domain import Message, Role
from ragstone.errors import TemplateError

_BUILT_IN = files("ragstone.prompts") / "texts"
_VERSION = re.compile(r"version:[ \t]*(\S+)[ \t]*\n")
_PART = re.compile(r"^# (system|user|assistant)[ \t]*$", re.MULTILINE)
_HASH = 12  # hexadecimal digits of SHA-256 that tell the texts of one installation apart


@dataclass(frozen=True)
class Template:
    """One prompt."""

    name: str
    version: str
    text: str  # of the whole file

    @cached_property
    def identity(self) -> str:
        """Name, version and hash, such as direct@1:3f2a90c1d2e4: recorded with every answer."""
        digest = hashlib.sha256(self.text.encode()).hexdigest()[:_HASH]
        return f"{self.name}@{self.version}:{digest}"

    def messages(self, **values: str) -> tuple[Message, ...]:
        """The messages with these values.

        Raises:
            TemplateError: A value is missing, or a dollar stands alone.
        """
        return tuple(Message(role, self._filled(part, values)) for role, part in self._parts)

    @cached_property
    def names(self) -> frozenset[str]:
        """Of the values that it takes."""
        return frozenset(name for _, part in self._parts for name in Text(part).get_identifiers())

    @cached_property
    def _parts(self) -> tuple[tuple[Role, str], ...]:
        marks = list(_PART.finditer(self.text))
        ends = [mark.start() for mark in marks[1:]] + [len(self.text)]
        return tuple(
            (Role(mark[1]), self.text[mark.end() : end].strip("\n")) for mark, end in zip(marks, ends, strict=True)
        )

    def _filled(self, part: str, values: Mapping[str, str]) -> str:
        try:
            return Text(part).substitute(values)
        except (KeyError, ValueError) as error:
            raise TemplateError(
                f"The prompt template {self.name} cannot be filled",
                why=f"{error} has no value" if isinstance(error, KeyError) else str(error),
                remedy="The built-in template of that name shows which names there are; write $$ for a dollar",
            ) from None


class Prompts:
    """All templates: those of a folder, and the built-in ones for what it lacks."""

    def __init__(self, folder: Path | None = None) -> None:
        """Read the templates now, so that a malformed one is found before the first question.

        Raises:
            TemplateError: The folder cannot be read, or a file of it has no built-in twin, no version, no message, or
                a name that its twin does not have.
        """
        self._templates = {template.name: template for template in _all(_BUILT_IN)}
        for own in _all(folder) if folder is not None else ():
            self._check(own)
            self._templates[own.name] = own

    def __getitem__(self, name: str) -> Template:
        """The template of that name, one of the built-in ones' names."""
        return self._templates[name]

    @cached_property
    def identity(self) -> str:
        """Of all of them: changes when any text does."""
        names = "\n".join(sorted(template.identity for template in self._templates.values()))
        return hashlib.sha256(names.encode()).hexdigest()[:_HASH]

    def _check(self, own: Template) -> None:
        twin = self._templates.get(own.name)
        if twin is None:
            known = ", ".join(sorted(self._templates))
            raise TemplateError(f"There is no prompt template {own.name} to replace", remedy=f"There are {known}")
        unknown = sorted(own.names - twin.names)
        if unknown:
            known = ", ".join(f"${name}" for name in sorted(twin.names))
            raise TemplateError(f"The prompt template {own.name} names ${unknown[0]}", remedy=f"There are {known}")


def _all(folder: Traversable) -> list[Template]:
    try:
        found = sorted((file for file in folder.iterdir() if file.name.endswith(".md")), key=lambda file: file.name)
        return [_template(file.name.removesuffix(".md"), file.read_text(encoding="utf-8")) for file in found]
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(f"The prompt templates in {folder} cannot be read", why=str(error)) from None


def _template(name: str, text: str) -> Template:
    version = _VERSION.match(text)
    if version is None or not _PART.search(text):
        raise TemplateError(
            f"The prompt template {name} is malformed",
            remedy="Begin it with `version: 1`, and each message with `# system`, `# user` or `# assistant`",
        )
    template = Template(name, version[1], text)
    if not all(Text(part).is_valid() for _, part in template._parts):  # noqa: SLF001  its own module
        raise TemplateError(f"The prompt template {name} has a dollar that names nothing", remedy="Write $$ for one")
    return template
