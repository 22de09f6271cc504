"""The databases: made in one step, with their roles."""

from __future__ import annotations

import json
import secrets
import shutil
from pathlib import Path

from ragstone.errors import DatabaseError
from ragstone.storage.embedded.configuration import ACCESS, ONE_SYNC, configuration, fixed_arguments
from ragstone.storage.embedded.folder import Folder, give_folder, sync_folder, write_file
from ragstone.storage.embedded.launch import Launcher

ADMIN = "ragstone_admin"  # superuser: migrations and maintenance
APP = "ragstone_app"  # what the service runs as: row-level security binds it
DATABASE = "ragstone"
BUILTIN_LOCALE_SINCE = 17
SYNC_METHOD_SINCE = 17

# The extension is in template1, so every database made later has it too.
SETUP = f"""
CREATE EXTENSION vector;
CREATE ROLE {APP} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
CREATE DATABASE {DATABASE};
REVOKE ALL ON DATABASE {DATABASE}, postgres, template1 FROM PUBLIC;
GRANT CONNECT ON DATABASE {DATABASE} TO {APP};
"""


def make_databases(launcher: Launcher) -> None:
    """Make the databases and the roles' passwords, unless they are there; a death in between leaves nothing half.

    Raises:
        DatabaseError: PostgreSQL cannot make them, or something else lies in their place.
        OSError: A file cannot be written.
    """
    folder = launcher.folder
    if (folder.data / "PG_VERSION").exists():
        if not folder.passwords.exists():
            _set_passwords(launcher, folder.data, "")
        return
    if folder.data.exists() and any(folder.data.iterdir()):
        raise DatabaseError(
            f"The databases cannot be made in {folder.data}",
            why="the folder holds something else",
            remedy="Move it away, or set RAGSTONE_HOME to another folder",
        )
    give_folder(folder.staging, launcher.account)
    try:
        _initialise(launcher, folder.staging)
        _set_passwords(launcher, folder.staging, SETUP)
        _sync(launcher, folder.staging)
    except BaseException:
        shutil.rmtree(folder.staging, ignore_errors=True)  # a full disk gets its space back
        raise
    folder.staging.rename(folder.data)
    sync_folder(folder.room)


def server_arguments(launcher: Launcher, data: Path) -> list[str]:
    """The arguments that run a server on the databases in `data`; writes the files that they name.

    Raises:
        OSError: A file cannot be written.
    """
    folder = launcher.folder
    settings, access = folder.room / "postgresql.conf", folder.room / "pg_hba.conf"
    write_file(settings, configuration(launcher.program.major), 0o644)
    write_file(access, ACCESS, 0o644)
    fixed = fixed_arguments(str(launcher.seen(settings)), str(launcher.seen(access)))
    return ["-D", str(launcher.seen(data)), *fixed]


def read_password(folder: Folder, role: str) -> str:
    """The password of one of our roles.

    Raises:
        DatabaseError: There is none yet.
    """
    try:
        passwords: dict[str, str] = json.loads(folder.passwords.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DatabaseError(
            "The embedded PostgreSQL has no passwords yet", why="it was never started", remedy="Start it first"
        ) from None
    return passwords[role]


def _initialise(launcher: Launcher, data: Path) -> None:
    builtin = launcher.program.major >= BUILTIN_LOCALE_SINCE
    # The order and case of letters come with PostgreSQL: an update of the system cannot break an index.
    locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if builtin else []
    launcher.run(
        "initdb",
        [
            *("-D", str(launcher.seen(data)), "-U", ADMIN, "-E", "UTF8", "--locale=C", *locale),
            "--data-checksums",
            *("-c", "dynamic_shared_memory_type=mmap"),  # else a death in the middle leaves files in /dev/shm
            "--auth=reject",  # our own access file is the one in force; nobody gets in by this one
            "--no-sync",  # all is synced once at the end
            "--no-instructions",
        ],
        cwd=data,
    )


def _sync(launcher: Launcher, data: Path) -> None:
    method = ["--sync-method=syncfs"] if ONE_SYNC and launcher.program.major >= SYNC_METHOD_SINCE else []
    launcher.run("initdb", ["--sync-only", *method, "-D", str(launcher.seen(data))], cwd=data)


def _set_passwords(launcher: Launcher, data: Path, setup: str) -> None:
    """Run SQL without a server, as the superuser, and give both roles new passwords."""
    passwords = {role: secrets.token_urlsafe(32) for role in (ADMIN, APP)}
    statements = "".join(f"ALTER ROLE {role} PASSWORD '{password}';\n" for role, password in passwords.items())
    launcher.run(
        "postgres",
        [
            "--single",
            *server_arguments(launcher, data),
            *("-c", "exit_on_error=on"),
            *(("-c", "fsync=off") if setup else ()),  # a folder in the making is synced at the end
            "template1",
        ],
        cwd=data,
        text=setup.lstrip() + statements,
    )
    write_file(launcher.folder.passwords, json.dumps(passwords), 0o600)
