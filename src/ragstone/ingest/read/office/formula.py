"""Formulas of Word in one line of plain text, such as a_0+∑_(n=1)^∞(x^n)/(n!)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TypeAlias

from ragstone.ingest.read.markup import Element, local_name
from ragstone.ingest.read.office.package import name_of

Parts: TypeAlias = Mapping[str, str]  # text of the arguments; missing ones are empty

_PARTS = frozenset({"num", "den", "e", "sup", "sub", "deg", "fName", "lim"})
_INTEGRAL = "∫"  # what an n-ary operator is when the file names none


def formula_text(element: Element) -> str:
    """The text of a formula or of a part of it."""
    kind = local_name(element)
    if kind == "t":
        return element.text or ""
    if kind in _FORMS:
        parts = {local_name(child): formula_text(child) for child in element if local_name(child) in _PARTS}
        return _FORMS[kind](element, defaultdict(str, parts))
    return "".join(formula_text(child) for child in element if not local_name(child).endswith("Pr"))


def _fraction(_: Element, parts: Parts) -> str:
    return f"{_group(parts['num'])}/{_group(parts['den'])}"


def _with_scripts(_: Element, parts: Parts) -> str:
    return parts["e"] + _scripts(parts)


def _nary(element: Element, parts: Parts) -> str:
    return f"{_property(element, 'chr', _INTEGRAL)}{_scripts(parts)} {parts['e']}"


def _radical(_: Element, parts: Parts) -> str:
    return f"{parts['deg']}√{_group(parts['e'])}"


def _delimited(element: Element, _: Parts) -> str:
    inside = ",".join(formula_text(child) for child in element if local_name(child) == "e")
    return f"{_property(element, 'begChr', '(')}{inside}{_property(element, 'endChr', ')')}"


def _function(_: Element, parts: Parts) -> str:
    return f"{parts['fName']} {parts['e']}"


_FORMS: Mapping[str, Callable[[Element, Parts], str]] = {
    "f": _fraction,
    "nary": _nary,
    "rad": _radical,
    "d": _delimited,
    "func": _function,
    **dict.fromkeys(("sSup", "sSub", "sSubSup", "limLow", "limUpp"), _with_scripts),
}


def _scripts(parts: Parts) -> str:
    below, above = parts["sub"] or parts["lim"], parts["sup"]
    return (f"_{_group(below)}" if below else "") + (f"^{_group(above)}" if above else "")


def _group(text: str) -> str:
    """Several signs that belong together stand in parentheses."""
    return text if len(text) == 1 or text.isdigit() else f"({text})"


def _property(element: Element, name: str, usual: str) -> str:
    """A sign that the formula chooses itself."""
    for found in element.iterfind(f"*/{name_of(f'm:{name}')}"):
        return str(found.get(name_of("m:val"), usual))
    return usual
