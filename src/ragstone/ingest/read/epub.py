"""EPUB: the chapters in reading order."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote

from lxml import etree

from ragstone.domain import Reading
from ragstone.ingest.read.archive import Archive, DamagedPartError
from ragstone.ingest.read.builder import Builder
from ragstone.ingest.read.decode import decode
from ragstone.ingest.read.markup import Element, parse_xml
from ragstone.ingest.read.source import Source
from ragstone.ingest.read.webpage import write_html

_CONTAINER = "META-INF/container.xml"
_PAGES = ("application/xhtml+xml", "text/html")


def read_epub(source: Source) -> Reading:
    """A book; chapters that are damaged are left out with a warning."""
    builder = Builder("application/epub+zip")
    archive = Archive(source)
    try:
        container, _ = parse_xml(archive.read(_CONTAINER))
        name = unquote(container.find(".//{*}rootfile").get("full-path"))
        book, _ = parse_xml(archive.read(name))
    except (KeyError, AttributeError, TypeError, DamagedPartError, etree.XMLSyntaxError) as error:
        raise source.unreadable("its table of contents is missing or damaged", "Get a sound copy.") from error
    builder.title = (book.findtext(".//{http://purl.org/dc/elements/1.1/}title") or "").strip()
    for chapter in _chapters(book, posixpath.dirname(name)):
        try:
            write_html(builder, decode(archive.read(chapter)).text)
        except (KeyError, DamagedPartError):
            builder.warn(f"the part {chapter} is damaged and was left out")
    return builder.build()


def _chapters(book: Element, folder: str) -> list[str]:
    items = {item.get("id"): item for item in book.iter("{*}item") if item.get("media-type") in _PAGES}
    order = [items[entry.get("idref")] for entry in book.iter("{*}itemref") if entry.get("idref") in items]
    return [posixpath.normpath(posixpath.join(folder, unquote(item.get("href") or ""))) for item in order]
