"""An Office Open XML package: parts, and the relations between them."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from lxml import etree

from ragstone.ingest.read.archive import Archive, DamagedPartError
from ragstone.ingest.read.builder import Builder
from ragstone.ingest.read.markup import Element, parse_xml
from ragstone.ingest.read.source import Source

MAIN = {
    "w": "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "a": "http://schemas.openxmlformats.org/drawingml/2006/main",
    "p": "http://schemas.openxmlformats.org/presentationml/2006/main",
    "s": "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "c": "http://schemas.openxmlformats.org/drawingml/2006/chart",
    "r": "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    "m": "http://schemas.openxmlformats.org/officeDocument/2006/math",
    "mc": "http://schemas.openxmlformats.org/markup-compatibility/2006",
    "dc": "http://purl.org/dc/elements/1.1/",
}


def name_of(short: str) -> str:
    """The full name of an element or attribute, such as `w:p`."""
    prefix, _, local = short.partition(":")
    return f"{{{MAIN[prefix]}}}{local}"


@dataclass(frozen=True, slots=True)
class Relation:
    """A reference from one part to another."""

    kind: str  # the last word of its type, such as styles or slide
    target: str  # name of the part


class Package:
    """The parts of one file; damaged parts are reported to the builder and read as absent."""

    def __init__(self, source: Source, builder: Builder) -> None:
        self.archive = Archive(source)
        self._source = source
        self._builder = builder

    def main(self, usual: str) -> tuple[str, Element]:
        """Name and root of the main part.

        Raises:
            UnreadableFileError: It is missing or damaged from its beginning.
        """
        found = [relation.target for relation in self.relations("").values() if relation.kind == "officeDocument"]
        name = next((target for target in found if target in self.archive), usual)
        root = self.part(name)
        if root is None:
            raise self._source.unreadable(
                f"its main part {name} is missing or damaged", "Open it in its program, repair it and save it again."
            )
        return name, root

    def part(self, name: str) -> Element | None:
        """The root of an XML part; None when it is missing or nothing of it can be read."""
        try:
            root, sound = parse_xml(self.archive.read(name))
        except KeyError:
            return None
        except (DamagedPartError, etree.XMLSyntaxError):
            self._builder.warn(f"the part {name} is damaged and was left out")
            return None
        if not sound:
            self._builder.warn(f"the part {name} is damaged: text behind the damage is missing")
        return root

    def relations(self, part: str) -> Mapping[str, Relation]:
        """Where a part refers to, by the id that it uses; references out of the package are left out."""
        folder, name = posixpath.split(part)
        root = self.part(posixpath.join(folder, "_rels", f"{name}.rels"))
        found: dict[str, Relation] = {}
        for item in [] if root is None else root:
            if item.get("TargetMode") == "External":
                continue
            target = unquote(item.get("Target") or "")
            path = target[1:] if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
            found[item.get("Id") or ""] = Relation((item.get("Type") or "").rpartition("/")[2], path)
        return found

    def related(self, part: str, kind: str) -> list[str]:
        """Names of the parts of one kind that a part refers to."""
        return [relation.target for relation in self.relations(part).values() if relation.kind == kind]

    def title(self) -> str:
        """The title in the document's properties; may be empty."""
        for name in self.related("", "core-properties"):
            root = self.part(name)
            if root is not None:
                return (root.findtext(name_of("dc:title")) or "").strip()
        return ""
