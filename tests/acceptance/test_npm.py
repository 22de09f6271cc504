"""The running service, driven by the stock client of another ecosystem: the `openai` package of npm."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from acceptance.shipped import Ragstone

PROGRAM = Path(__file__).parent / "npm"
OLDEST_NODE = 20
UNREACHABLE = ("EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ENOTFOUND", "ETIMEDOUT", "E401", "E403", "E407")
ANSWER = "The quern is turned every seventh day."


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the program and the locked client."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"node is {version.strip()}, and the client needs {OLDEST_NODE} or newer")
    folder = tmp_path_factory.mktemp("npm")
    shutil.copytree(PROGRAM, folder, dirs_exist_ok=True)
    done = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=peer", "--omit=optional"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    if any(f"npm error code {code}" in done.stderr for code in UNREACHABLE):
        pytest.skip(f"npm reaches no registry: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def seen(installed: Path, service: str, library: Ragstone) -> Any:
    done = subprocess.run(
        ["node", "drive.mjs", f"{service}/v1", library.key],
        cwd=installed,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_npm_client_uploads_searches_asks_and_streams(seen: Any) -> None:
    assert (seen["status"], seen["attributes"]) == ("completed", {"year": 2026})
    assert seen["found"] == [["quern.txt", ANSWER]]
    assert seen["text"] == seen["streamed"] == ANSWER
    assert seen["cited"] == [["file_citation", "quern.txt", ANSWER]]
    assert [seen["events"][0], seen["events"][-1]] == ["response.created", "response.completed"]
    assert "response.output_text.annotation.added" in seen["events"]
    assert seen["background"] == ["queued", "completed", ANSWER]
    assert seen["chat"] == [ANSWER, ANSWER, "quern.txt"]
    assert seen["dimensions"] == [384, 384]
    assert {"ragstone/npm", "ragstone/default", "all-MiniLM-L6-v2-int8"} <= set(seen["models"])
    assert seen["missing"] == ["NotFoundError", 404, "not_found"]
