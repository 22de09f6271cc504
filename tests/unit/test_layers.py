"""Imports point one way: from the edges to the nouns."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "ragstone"

# A room may import from its own and from the rooms above it; two names on a line do not know each other.
LAYERS = (
    ("__init__",),
    ("errors",),
    ("domain",),
    ("settings", "ports"),
    ("text", "prompts", "observe"),
    ("ingest", "retrieve", "answer", "access"),
    ("storage", "models", "fakes"),
    ("flows",),
    ("bootstrap", "wire"),
    ("worker", "api"),
    ("cli",),
)
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}

MODULES = sorted(SOURCE.rglob("*.py"))


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports_of(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from ragstone import wire` imports a room, `from ragstone import __version__` does not.
            names = [f"ragstone.{alias.name}" for alias in node.names if alias.name in LEVEL]
            found.update(names if node.module == "ragstone" and names else [node.module])
    return {name for name in found if name == "ragstone" or name.startswith("ragstone.")}


def test_every_room_has_its_place_in_the_order() -> None:
    rooms = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms == set(LEVEL)


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_a_module_imports_only_from_its_own_room_and_those_above_it(file: Path) -> None:
    own = file.relative_to(SOURCE).parts[0].removesuffix(".py")
    wrong = {name for name in imports_of(file) if room_of(name) != own and LEVEL[room_of(name)] >= LEVEL[own]}
    assert not wrong, f"{own} must not know {sorted(wrong)}"


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_no_module_is_longer_than_four_hundred_lines(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 400
