"""The parts of the user side that need no server."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ragstone.errors import DatabaseError
from ragstone.storage.embedded.server import SOCKET_PATH_LIMIT, EmbeddedServer, Patience, fits_socket


def test_the_path_of_a_socket_is_measured_in_bytes() -> None:
    room = SOCKET_PATH_LIMIT - len("/.s.PGSQL.5432")
    assert fits_socket("/" + "a" * (room - 1))
    assert not fits_socket("/" + "a" * room)
    assert not fits_socket("/" + "ä" * (room // 2 + 1))


def test_paths_that_a_connection_string_cannot_hold_do_not_fit() -> None:
    assert not fits_socket("/one,/two")
    assert not fits_socket("/latin-1-\udce4")
    assert fits_socket("/with blank/and 'quote'")


def test_patience_ends_after_silence_and_every_new_line_renews_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", lambda _: None)
    log = tmp_path / "server.log"
    patience = Patience(log)
    patience.spend("stuck")
    for passed in (59.0, 118.0, 177.0):
        clock[0] = passed
        with log.open("a") as file:
            file.write("redo in progress\n")
        patience.spend("stuck")
    clock[0] = 240.0
    with pytest.raises(DatabaseError, match="stuck: its log has shown nothing new for 60 seconds"):
        patience.spend("stuck")


def test_where_sockets_cannot_be_reached_by_a_short_way_a_long_path_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "is_dir", lambda path: str(path) != "/proc/self/fd" and path.exists())
    home = tmp_path / ("long" * 30)
    with pytest.raises(DatabaseError, match="longer than") as caught:
        EmbeddedServer(home).start()
    assert "shorter path" in caught.value.remedy
