"""Whatever dies, the next start works by itself, with all that was committed."""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path

import psycopg
import pytest
from embedded_users import (
    eventually,
    fresh_home,
    is_alive,
    kill,
    needs_proc,
    nothing_runs,
    parent,
    postmaster,
    query,
    start_user,
    user,
)

from ragstone.errors import DatabaseError
from ragstone.storage.embedded import EmbeddedServer, program, stale
from ragstone.storage.embedded.folder import SOCKET_NAME, Folder
from ragstone.storage.embedded.stale import server_processes

pytestmark = needs_proc


def write(server: EmbeddedServer) -> None:
    query(server.admin_dsn("ragstone"), "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS id")


def kept(server: EmbeddedServer) -> bool:
    return query(server.admin_dsn("ragstone"), "SELECT count(*) FROM kept") == [(1000,)]


@pytest.mark.parametrize("victims", [("postmaster",), ("keeper",), ("keeper", "postmaster"), ("postmaster", "keeper")])
def test_start_brings_back_a_server_that_was_killed(stopped_home: Path, victims: tuple[str, ...]) -> None:
    with EmbeddedServer(stopped_home) as server:
        write(server)
        process = postmaster(stopped_home)
        pids = {"postmaster": process, "keeper": parent(process)}
        kill(*(pids[victim] for victim in victims))
        assert eventually(lambda: not any(is_alive(pids[victim]) for victim in victims))
        server.start()
        assert postmaster(stopped_home) != process
        assert kept(server)
        assert (
            len({parent(each) for each in server_processes(Folder(stopped_home))}) == 2
        )  # one postmaster and its children
    assert nothing_runs(stopped_home, *pids.values())


def test_a_user_that_is_killed_leaves_no_server_behind(stopped_home: Path) -> None:
    other = start_user(stopped_home)
    other.await_answer()
    process = postmaster(stopped_home)
    keeper = parent(process)
    other.kill()
    assert nothing_runs(stopped_home, process, keeper)


def test_after_a_killed_user_keeper_and_server_the_next_user_finds_the_data(stopped_home: Path) -> None:
    with user(stopped_home) as other:
        with EmbeddedServer(stopped_home) as server:
            write(server)
        process = postmaster(stopped_home)
        keeper = parent(process)
        kill(other.process.pid, keeper, process)
        # A start in the moment of their death may still join them.
        assert eventually(lambda: not is_alive(keeper) and not is_alive(process))
    with EmbeddedServer(stopped_home) as server:
        assert kept(server)
    assert nothing_runs(stopped_home, process)


def test_another_user_stays_when_one_is_killed(stopped_home: Path) -> None:
    with user(stopped_home) as other, EmbeddedServer(stopped_home) as server:
        other.kill()
        assert query(server.dsn("ragstone"), "SELECT 1") == [(1,)]
        time.sleep(0.2)
        assert query(server.dsn("ragstone"), "SELECT 1") == [(1,)]


def test_a_server_process_still_busy_after_the_death_of_its_postmaster_is_ended(
    stopped_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stale, "ENDINGS", ((None, 0.3), *stale.ENDINGS[1:]))
    with EmbeddedServer(stopped_home) as server:
        write(server)
        connection = psycopg.connect(server.admin_dsn("ragstone"))
        busy = connection.info.backend_pid
        connection.pgconn.send_query(
            b"SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b"
        )
        time.sleep(0.3)
        kill(postmaster(stopped_home))
        time.sleep(0.3)
        assert is_alive(busy)
        server.start()
        assert not is_alive(busy)
        assert kept(server)
        connection.close()


def test_a_killed_backend_costs_no_more_than_its_connections(stopped_home: Path) -> None:
    with EmbeddedServer(stopped_home) as server:
        write(server)
        with pytest.raises(psycopg.OperationalError), psycopg.connect(server.admin_dsn("ragstone")) as connection:
            kill(connection.info.backend_pid)
            connection.execute("SELECT 1")
        server.start()
        assert eventually(lambda: _answers(server))
        assert kept(server)


def _answers(server: EmbeddedServer) -> bool:
    try:
        return query(server.dsn("ragstone"), "SELECT 1") == [(1,)]
    except psycopg.OperationalError:
        return False


def test_a_lock_file_with_the_number_of_a_living_process_is_seen_through(stopped_home: Path) -> None:
    folder = Folder(stopped_home)
    for impostor in (os.getpid(), os.getppid(), 1):
        lock = f"{impostor}\n{folder.data}\n{int(time.time())}\n5432\n{folder.sockets}\n\n 1 1\nready   \n"
        for file in (folder.data / "postmaster.pid", folder.sockets / f"{SOCKET_NAME}.lock"):
            file.write_text(lock)
            os.chown(file, folder.data.stat().st_uid, folder.data.stat().st_gid)
        with EmbeddedServer(stopped_home) as server:
            assert query(server.dsn("ragstone"), "SELECT 1") == [(1,)]


def test_a_server_started_by_hand_on_the_same_data_is_not_disturbed(open_place: Path) -> None:
    home = fresh_home(open_place / "home")
    data = Folder(home).data
    command: list[str | Path] = [
        program._of_wheel(program._package(), None).path("postgres"),
        "--single",
        "-D",
        data,
        "postgres",
    ]
    owner = data.stat().st_uid
    become = ["setpriv", f"--reuid={owner}", f"--regid={owner}", "--clear-groups"] if os.geteuid() == 0 else []
    by_hand = subprocess.Popen([*become, *command], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert eventually((data / "postmaster.pid").exists)
    with pytest.raises(DatabaseError, match=f"started by hand .process {by_hand.pid}."):
        EmbeddedServer(home).start()
    assert by_hand.poll() is None
    by_hand.communicate(b"")
    assert by_hand.returncode == 0
    with EmbeddedServer(home) as server:
        assert query(server.dsn("ragstone"), "SELECT 1") == [(1,)]


def test_a_process_that_only_stands_in_the_folder_is_left_alone(stopped_home: Path) -> None:
    sleeper = subprocess.Popen(["sleep", "60"], cwd=Folder(stopped_home).data)
    try:
        with EmbeddedServer(stopped_home) as server:
            kill(postmaster(stopped_home))
            server.start()
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


def test_databases_half_made_are_made_again(open_place: Path) -> None:
    (open_place / "closed").mkdir(mode=0o700)
    home = open_place / "closed" / "home"
    staging = Folder(home).staging
    other = start_user(home)
    assert eventually((staging / "global").exists)
    other.kill()
    assert not Folder(home).data.exists()
    with EmbeddedServer(home) as server:
        assert query(server.dsn("ragstone"), "SELECT '[1]'::vector::text") == [("[1]",)]
        assert not staging.exists()
    assert nothing_runs(home)


def test_users_killed_at_any_moment_of_the_start_leave_nothing_that_disturbs(stopped_home: Path) -> None:
    moments = random.Random(7)
    for _ in range(8):
        other = start_user(stopped_home)
        time.sleep(moments.uniform(0.05, 0.35))
        other.kill()
    started = time.monotonic()
    with EmbeddedServer(stopped_home) as server:
        assert query(server.dsn("ragstone"), "SELECT 1") == [(1,)]
    assert time.monotonic() - started < 45  # a keeper whose wish to end was lost repeats it after a minute
    assert nothing_runs(stopped_home)


def test_files_in_the_place_of_the_databases_are_left_alone(tmp_path: Path) -> None:
    data = Folder(tmp_path / "home").data
    data.mkdir(parents=True)
    (data / "letters.txt").write_text("precious")
    if os.geteuid() == 0:
        os.chown(data, 65534, 65534)
    with pytest.raises(DatabaseError, match="holds something else"):
        EmbeddedServer(tmp_path / "home").start()
    assert (data / "letters.txt").read_text() == "precious"


def test_damaged_databases_are_reported_with_the_words_of_postgresql(stopped_home: Path) -> None:
    (Folder(stopped_home).data / "global" / "pg_control").write_bytes(b"")
    with pytest.raises(DatabaseError, match="pg_control") as caught:
        EmbeddedServer(stopped_home).start()
    assert "server.log" in caught.value.remedy
    assert nothing_runs(stopped_home)
