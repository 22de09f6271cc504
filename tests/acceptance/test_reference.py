"""What the documentation says of the program is what the program is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from unit.test_layers import LAYERS

from ragstone import wire
from ragstone.cli import app
from ragstone.cli.arguments import INTERRUPTED
from ragstone.domain import Citation, Passage
from ragstone.storage.migrate import migrations

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
GENERATOR = DOCS / "reference" / "generate.py"

PASSAGE = Passage(1, "file-1", "a.txt", "/a.txt", {}, None, (), (), "text", 0, 4)
CITATION = Citation("file-1", "a.txt", 1, None, (), "text", 0, 4, 4, 0.5, verified=True)

_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(#[^)\s]*)?\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    return _FENCED.sub("", page.read_text(encoding="utf-8"))


def test_the_generated_parts_are_those_of_the_program() -> None:
    result = subprocess.run([sys.executable, GENERATOR, "--check"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_a_stale_page_is_noticed(tmp_path: Path) -> None:
    for page in DOCS.rglob("*"):
        if page.is_file():
            copy = tmp_path / page.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(page.read_bytes())
    settings = tmp_path / "docs" / "reference" / "settings.md"
    settings.write_text(settings.read_text().replace("8421", "8422"))
    command = [sys.executable, str(tmp_path / GENERATOR.relative_to(ROOT)), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr.split(":")[0]) == (1, "settings.md is stale")


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to the headings of a page."""
    titles = _HEADING.findall(prose(page))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_inside_the_documentation_leads_somewhere(page: Path) -> None:
    for target, anchor in _LINK.findall(prose(page)):
        found = (page.parent / target).resolve() if target else page
        assert found.exists(), target
        assert not anchor or anchor[1:] in anchors(found), target + anchor


def test_the_exit_statuses_are_documented() -> None:
    page = (DOCS / "reference" / "exit-codes-and-errors.md").read_text()
    documented = {int(status) for status in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    assert documented == {0, app.SOME_FAILED, app.WRONG_USE, app.UNAVAILABLE, INTERRUPTED}


@pytest.mark.parametrize("page", ["command-line.md", "http.md"])
def test_every_field_of_hits_and_citations_is_documented(page: str) -> None:
    named = set(re.findall(r"`(\w+)`", (DOCS / "reference" / page).read_text()))
    assert set(wire.place(PASSAGE)) | set(wire.citation(CITATION)) <= named


def test_every_table_is_documented() -> None:
    created = {name for _, _, sql in migrations() for name in re.findall(r"^CREATE TABLE (\w+)", sql, re.MULTILINE)}
    assert created
    documented = set(re.findall(r"^\| `(\w+)`", (DOCS / "explanation" / "storage.md").read_text(), re.MULTILINE))
    assert created <= documented


def test_the_layout_that_is_documented_is_the_one_that_is_checked() -> None:
    block = re.search(r"```text\n(.*?)```", (DOCS / "explanation" / "layout.md").read_text(), re.DOTALL)
    assert block
    rooms = {room for layer in LAYERS for room in layer} - {"__init__"}
    documented = [tuple(word for word in line.split() if word in rooms) for line in block[1].splitlines()]
    for line, layer in zip(documented, LAYERS[1:], strict=True):
        assert line[: len(layer)] == layer
