"""The life of an embedded server: who starts, joins and ends it, and who gets in."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import psycopg
import pytest
from embedded_users import (
    eventually,
    fresh_home,
    is_alive,
    needs_proc,
    nothing_runs,
    parent,
    postmaster,
    query,
    start_user,
    user,
)
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ragstone.errors import DatabaseError
from ragstone.storage.embedded import EmbeddedServer
from ragstone.storage.embedded.configuration import SETTINGS
from ragstone.storage.embedded.folder import Folder
from ragstone.storage.embedded.stale import server_processes


def test_a_folder_that_does_not_exist_becomes_a_server_with_its_database_and_pgvector(open_place: Path) -> None:
    with EmbeddedServer(open_place / ("a long way down " * 8) / "Zoë, O'Neil" / "home") as server:
        ((version, settings),) = query(
            server.admin_dsn("ragstone"),
            "SELECT extversion, (SELECT string_agg(setting, ' ' ORDER BY name) FROM pg_settings WHERE name IN "
            "('data_checksums', 'fsync', 'listen_addresses', 'password_encryption', 'server_encoding')) "
            "FROM pg_extension WHERE extname = 'vector'",
        )
        assert tuple(map(int, version.split("."))) >= (0, 8, 5)
        assert settings == "on on  scram-sha-256 UTF8"
        assert query(server.dsn("ragstone"), "SELECT '[1,2,3]'::vector <=> '[1,2,3]'") == [(0.0,)]


@needs_proc
def test_the_server_ends_with_stop(stopped_home: Path) -> None:
    server = EmbeddedServer(stopped_home)
    server.start()
    process = postmaster(stopped_home)
    keeper = parent(process)
    server.stop()
    assert not is_alive(process)
    assert not is_alive(keeper)
    assert not list(server_processes(Folder(stopped_home)))
    assert not list(Folder(stopped_home).sockets.iterdir())


def test_a_server_can_be_stopped_and_started_again_and_stopped_twice(stopped_home: Path) -> None:
    server = EmbeddedServer(stopped_home)
    for _ in range(2):
        server.start()
        assert query(server.dsn("ragstone"), "SELECT 1") == [(1,)]
        server.stop()
        server.stop()


def test_a_second_process_joins_and_the_server_stays_until_both_have_let_go(stopped_home: Path) -> None:
    with EmbeddedServer(stopped_home):
        process = postmaster(stopped_home)
        second = start_user(stopped_home)
        assert second.await_answer().startswith("ready")
    assert postmaster(stopped_home) == process
    assert is_alive(process)
    assert query(second.answer.removeprefix("ready "), "SELECT 1") == [(1,)]
    second.let_go()
    assert not is_alive(process)


def test_processes_that_start_at_the_same_time_share_one_server(stopped_home: Path) -> None:
    users = [start_user(stopped_home) for _ in range(4)]
    assert all(each.await_answer().startswith("ready") for each in users)
    addresses = {query(each.answer.removeprefix("ready "), "SELECT pg_postmaster_start_time()")[0][0] for each in users}
    assert len(addresses) == 1
    for each in users:
        each.let_go()
    assert nothing_runs(stopped_home)


def test_threads_share_one_object(stopped_home: Path) -> None:
    server = EmbeddedServer(stopped_home)
    threads = [threading.Thread(target=server.start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert query(server.dsn("ragstone"), "SELECT 1") == [(1,)]
    server.stop()
    assert nothing_runs(stopped_home)


def test_starting_again_leaves_the_running_server_alone(stopped_home: Path) -> None:
    with EmbeddedServer(stopped_home) as server:
        process = postmaster(stopped_home)
        server.start()
        assert postmaster(stopped_home) == process


def test_a_second_home_beside_it_is_another_database(stopped_home: Path, open_place: Path) -> None:
    other = fresh_home(open_place / "other")
    Folder(other).passwords.unlink()  # the copy gets its own
    with EmbeddedServer(stopped_home) as one, EmbeddedServer(other) as two:
        query(one.admin_dsn("ragstone"), "CREATE TABLE only_here (id int)")
        assert query(two.admin_dsn("ragstone"), "SELECT to_regclass('only_here')") == [(None,)]
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(make_conninfo(two.dsn("ragstone"), password=password(one.dsn("ragstone"))))


@needs_proc
def test_ctrl_c_in_the_terminal_of_its_starter_does_not_end_the_server_of_another(stopped_home: Path) -> None:
    with user(stopped_home) as starter, EmbeddedServer(stopped_home) as server:
        process = postmaster(stopped_home)
        os.killpg(starter.process.pid, signal.SIGINT)
        starter.process.wait(timeout=30)
        time.sleep(0.2)
        assert postmaster(stopped_home) == process
        assert query(server.dsn("ragstone"), "SELECT 1") == [(1,)]


def test_a_user_who_comes_while_the_server_is_ending_gets_the_next_one(stopped_home: Path) -> None:
    for _ in range(4):
        former = start_user(stopped_home)
        former.await_answer()
        former.kill()
        with EmbeddedServer(stopped_home) as server:
            assert query(server.dsn("ragstone"), "SELECT 1") == [(1,)]


def password(dsn: str) -> str:
    return str(conninfo_to_dict(dsn)["password"])


def test_only_a_password_opens_the_server(server: EmbeddedServer) -> None:
    for role in ("ragstone_admin", "ragstone_app", "root"):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(make_conninfo(server.admin_dsn(), user=role, password="guess"))
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(make_conninfo(server.admin_dsn(), password="", passfile="/dev/null"))


def test_the_passwords_are_random_and_for_their_owner_alone(server: EmbeddedServer) -> None:
    assert server._folder.passwords.stat().st_mode & 0o777 == 0o600
    passwords = {password(server.dsn("ragstone")), password(server.admin_dsn())}
    assert len(passwords) == 2
    assert not any(each in server.log.read_text() for each in passwords)


def test_the_application_role_has_no_privileges_and_owns_nothing(server: EmbeddedServer) -> None:
    dsn = server.dsn("ragstone")
    assert query(
        dsn,
        "SELECT rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, rolreplication FROM pg_roles "
        "WHERE rolname = current_user",
    ) == [(False,) * 5]
    assert query(
        server.admin_dsn("ragstone"),
        "SELECT count(*) FROM pg_shdepend WHERE refobjid = 'ragstone_app'::regrole AND deptype = 'o'",
    ) == [(0,)]
    assert query(dsn, "SELECT count(*) FROM pg_auth_members WHERE member = current_user::regrole") == [(0,)]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)",
        "CREATE TEMP TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "CREATE DATABASE mine",
        "CREATE ROLE other",
        "SET ROLE ragstone_admin",
        "ALTER ROLE ragstone_app BYPASSRLS",
        "DROP EXTENSION vector",
        "COPY (SELECT 1) TO PROGRAM 'cat'",
    ],
)
def test_the_application_role_may_not(server: EmbeddedServer, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        query(server.dsn("ragstone"), statement)


def test_the_application_role_gets_into_its_own_database_only(server: EmbeddedServer) -> None:
    for database in ("postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(server.dsn(database))


def test_the_environment_cannot_lead_a_connection_elsewhere(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGUSER", "somebody")
    assert query(server.dsn("ragstone"), "SELECT current_user::text") == [("ragstone_app",)]


def test_lost_passwords_are_made_anew(stopped_home: Path) -> None:
    Folder(stopped_home).passwords.unlink()
    with EmbeddedServer(stopped_home) as server:
        assert query(server.dsn("ragstone"), "SELECT 1") == [(1,)]
        assert query(server.admin_dsn(), "SELECT 1") == [(1,)]


def test_settings_of_a_newer_version_reach_an_old_folder_and_those_of_its_owner_stay(
    stopped_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedServer(stopped_home) as server, psycopg.connect(server.admin_dsn(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET max_connections = 33")
        connection.execute("ALTER SYSTEM SET listen_addresses = '*'")
    monkeypatch.setitem(SETTINGS, "work_mem", "7MB")
    with EmbeddedServer(stopped_home) as server:
        assert query(server.admin_dsn(), "SHOW work_mem") == [("7MB",)]
        assert query(server.admin_dsn(), "SHOW max_connections") == [("33",)]
        assert query(server.admin_dsn(), "SHOW listen_addresses") == [("",)]


def test_the_log_of_the_former_run_is_kept_and_no_more(stopped_home: Path) -> None:
    server = EmbeddedServer(stopped_home)
    for _ in range(3):
        server.start()
        server.stop()
    assert server.log.read_text().count("ready to accept connections") == 1
    assert server.log.with_name("server.log.1").read_text().count("ready to accept connections") == 1
    assert eventually(lambda: len(list(Folder(stopped_home).run.glob("*.log*"))) == 2)


def test_a_connection_string_before_the_first_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="never started"):
        EmbeddedServer(tmp_path / "home").dsn("ragstone")
    assert not (tmp_path / "home").exists()
