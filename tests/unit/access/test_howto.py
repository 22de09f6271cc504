"""The how-to for OpenID Connect says what the program does."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from ragstone.access.config import IssuerConfig

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "howto" / "oidc.md").read_text(encoding="utf-8")
SOURCE = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "src" / "ragstone" / "access").glob("*.py"))
BLOCKS = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

# What a message says, with gaps for what differs from one to the next.
SAID = re.findall(r'(?:refusal|_fail)\(f?"([^"]+)"|why="(its issuer[^"]+)"', SOURCE)
MESSAGES = {re.sub(r"\{[^}]*\}|16,384", "…", said or why) for said, why in SAID}


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_is_a_good_setting(block: str) -> None:
    (settings,) = tomllib.loads(block)["oidc"]
    assert set(settings) <= {field.name for field in fields(IssuerConfig)}
    assert TypeAdapter(IssuerConfig).validate_python(settings).issuer == settings["issuer"]


def test_every_setting_is_explained() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == [field.name for field in fields(IssuerConfig)]


def test_every_reason_for_a_refusal_is_explained() -> None:
    explained = {row.replace("16,384", "…") for row in re.findall(r"^\| \d{3} \| (.*?) \|", PAGE, re.MULTILINE)}
    required = {message for message in MESSAGES if not message.startswith("it has no claim")}
    assert len(MESSAGES) > 20
    assert explained == required | {"it has no claim …"}
