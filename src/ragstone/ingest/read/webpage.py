"""HTML: the main content as a clean text, without navigation, scripts and what is hidden."""

from __future__ import annotations

import codecs
import re

from lxml import etree

from ragstone.domain import Reading
from ragstone.ingest.read.builder import Builder
from ragstone.ingest.read.decode import declared, decode
from ragstone.ingest.read.markup import Element, parse_html
from ragstone.ingest.read.source import Source
from ragstone.ingest.read.tables import one_line
from ragstone.ingest.read.webtable import holds_data, rows_of

_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset=[\"']?\s{0,4}([\w.:-]{2,40})", re.IGNORECASE)
_NO_TEXT = ("script", "style", "noscript", "template", "svg", "iframe", "object", "canvas", "select", "textarea")
_AROUND_TEXT = frozenset({"nav", "footer", "button", "dialog", "menu"})
_ROLES = frozenset({"navigation", "banner", "contentinfo", "search", "dialog", "complementary"})
_HIDDEN = re.compile(r"display\s{0,9}:\s{0,9}none|visibility\s{0,9}:\s{0,9}hidden", re.IGNORECASE)
_UNSEEN = re.compile(r"mw-editsection|headerlink|sr-only|visually-hidden|skip-link", re.IGNORECASE)
# What asks visitors for their consent, by a whole word of its class, or of the id of a box.
_BANNER = re.compile(
    r"(?<![^\W_])(?:cookies?(?:banner|bar|consent|law|message|notice|popup)?|consent|gdpr)(?![^\W_])", re.IGNORECASE
)
_BOXES = frozenset({"div", "form", "aside"})
_CONTENT = ("section", "article", "main", *(f"h{level}" for level in range(1, 7)))  # never in such a banner
_NOISE_UP_TO = 1500  # characters; a page about cookies is longer than a banner
_NOISE_ELEMENTS = 300
_BLOCKS = frozenset(
    """
    address article aside blockquote body caption center dd details dir div dl dt fieldset figcaption figure
    footer form header hgroup hr legend li main nav ol p section summary table tbody td tfoot th thead tr ul
    """.split()  # noqa: SIM905
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_LISTS = frozenset({"ul", "ol", "dl", "dir"})
# Shares of the page's text that these must hold, else the page uses the element in its own way. An article may be one
# part of a page among others, and what is beside it is lost.
_MAIN = ((".//main", 0.4), (".//*[@role='main']", 0.4), (".//article", 0.8))


def read_html(source: Source) -> Reading:
    """A web page."""
    builder = Builder("text/html")
    write_html(builder, _characters(source.data))
    return builder.build()


def _characters(data: bytes) -> str:
    """The page's characters, by the HTML standard: a byte order mark counts before what the page says."""
    charset = _CHARSET.search(data[:4096])
    name = charset.group(1).decode("ascii", "ignore").lower() if charset else ""
    # By the same standard, a page that claims Latin-1 is in cp1252.
    name = {"iso-8859-1": "cp1252", "us-ascii": "cp1252"}.get(name, name)
    marked = data.startswith(codecs.BOM_UTF8)  # that of UTF-16 leaves no declaration to be found
    return (declared(data, name) if name and "utf-16" not in name and not marked else decode(data)).text


def write_html(builder: Builder, text: str) -> None:
    """Add the blocks of a page, or of a part of one, to a text."""
    root, sound = parse_html(text)
    if not sound:
        builder.warn("the page is nested too deeply: text behind that place is missing")
    if root is None:
        return
    builder.title = builder.title or (root.findtext(".//title") or "")
    etree.strip_elements(root, *_NO_TEXT, with_tail=False)
    body = root.find("body")
    _Walk(builder).walk(_main(root if body is None else body))


def _main(body: Element) -> Element:
    whole = _length(body)
    for path, share in _MAIN:
        found = body.findall(path)
        if len(found) == 1 and _length(found[0]) > share * whole:
            return found[0]
    return body


def _length(element: Element) -> int:
    return sum(len(text.strip()) for text in element.itertext())


class _Walk:
    """Goes through a tree once, without recursion, and writes what it meets."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._inline: list[str] = []  # text of the current paragraph
        self._items: list[str] = []  # of the current list, with markers
        self._lists: list[int] = []  # open lists: items so far in an ordered one, -1 for others
        self._marker = ""  # of the item that begins
        self._heading = 0  # level of the open heading

    def walk(self, top: Element) -> None:
        """Write the blocks of everything below `top`."""
        walker = etree.iterwalk(top, events=("start", "end"))
        skipped: Element | None = None
        for event, element in walker:
            if event == "start":
                if element is not top and self._replaced(element):
                    skipped = element
                    walker.skip_subtree()
                    continue
                self._start(element)
                self._inline.append(element.text or "")
                continue
            if element is skipped:
                skipped = None
            else:
                self._end(element)
            if element is not top:
                self._inline.append(element.tail or "")
        self._flush()
        self._end_list()

    def _replaced(self, element: Element) -> bool:
        """Whether an element is left out or written as a whole."""
        tag = str(element.tag)
        if _is_noise(element, tag):
            if tag in _BLOCKS:
                self._flush()
            return True
        if tag == "pre":
            self._interrupt()
            self._builder.code(_preformatted(element))
            return True
        if tag == "table" and holds_data(element):
            self._interrupt()
            rows, header = rows_of(element)
            if caption := " ".join("".join(element.xpath("caption//text()")).split()):
                self._builder.paragraph(caption)
            self._builder.table(rows, header=header)
            return True
        return False

    def _start(self, element: Element) -> None:
        tag = str(element.tag)
        if tag == "br":
            self._inline.append("\x00")
        elif tag in _HEADINGS:
            self._interrupt()
            self._heading = _HEADINGS[tag]
        elif tag in _LISTS:
            self._flush()
            self._lists.append(0 if tag == "ol" else -1)
        elif tag in ("li", "dt"):
            self._flush()
            self._marker = self._next_marker()
        elif tag in _BLOCKS:
            self._flush()

    def _end(self, element: Element) -> None:
        tag = str(element.tag)
        if tag in _HEADINGS:
            self._flush()
            self._heading = 0
        elif tag in _LISTS:
            self._flush()
            self._marker = ""
            if self._lists:
                self._lists.pop()
            if not self._lists:
                self._end_list()
        elif tag in _BLOCKS:
            self._flush()

    def _next_marker(self) -> str:
        if self._lists and self._lists[-1] >= 0:
            self._lists[-1] += 1
            return f"{self._lists[-1]}. "
        return "- "

    def _flush(self) -> None:
        """Write the text so far as a paragraph, a heading or an item."""
        if not self._inline:
            return
        joined = "".join(self._inline)
        self._inline.clear()
        if not joined or joined.isspace():
            return
        lines = [one_line(line) for line in joined.split("\x00")]
        if self._heading:
            self._builder.heading(" ".join(lines).rstrip("¶ "), self._heading)
        elif self._lists:
            self._item([line for line in lines if line])
        else:
            for paragraph in "\n".join(lines).split("\n\n"):
                self._builder.paragraph(paragraph)

    def _item(self, lines: list[str]) -> None:
        indent = "  " * (len(self._lists) - 1)
        for line in lines:
            self._items.append(indent + (self._marker or "  ") + line)
            self._marker = ""

    def _interrupt(self) -> None:
        """Something stands between the items of a list: what came before is a list of its own."""
        self._flush()
        self._end_list()

    def _end_list(self) -> None:
        self._builder.listing(self._items)
        self._items.clear()


def _is_noise(element: Element, tag: str) -> bool:
    get = element.get
    if get("hidden") is not None or get("aria-hidden") == "true" or get("role") in _ROLES:
        return True
    style = get("style")
    if style and _HIDDEN.search(style):
        return True
    if tag in _AROUND_TEXT or (tag == "aside" and next(element.iterancestors("main", "article"), None) is None):
        return True
    names, identity = get("class") or "", get("id") or ""
    if not names and not identity:
        return False
    if _UNSEEN.search(f"{names} {identity}"):
        return _is_small(element, without=())
    asks = _BANNER.search(f"{names} {identity}" if tag in _BOXES else names)
    return asks is not None and _is_small(element, without=_CONTENT)


def _is_small(element: Element, *, without: tuple[str, ...]) -> bool:
    """Whether an element holds little text and none of some tags; looks at a bounded number, for they may be nested."""
    length = 0
    for number, inner in enumerate(element.iter()):
        length += len(inner.text or "") + len(inner.tail or "")
        if number > _NOISE_ELEMENTS or length > _NOISE_UP_TO or inner.tag in without:
            return False
    return True


def _preformatted(element: Element) -> str:
    for line_break in element.iter("br"):
        line_break.text = "\n"
    return "".join(element.itertext())
