"""What was confirmed survives: kill -9, a full disk, a server that dies under the service."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from acceptance.shipped import Ragstone


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.1)


def documents(program: Ragstone) -> int:
    stores = program("status", "--json").json["stores"]
    return sum(store["documents"] for store in stores)


def postmaster(home: Path) -> int:
    """The process id in the server's own pid file."""
    (file,) = home.rglob("postmaster.pid")
    return int(file.read_text().split()[0])


def write_many(folder: Path, count: int, sentences: int = 40) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        lines = [f"Sentence {line} of quarry report number{number}x speaks of stone." for line in range(sentences)]
        (folder / f"report-{number}.txt").write_text("\n\n".join(lines))


def test_an_ingestion_that_was_killed_is_completed_by_the_next_one(fresh: Ragstone, tmp_path: Path) -> None:
    write_many(tmp_path / "reports", 60)
    with fresh.serving():
        process = fresh.start("ingest", tmp_path / "reports")
        until(lambda: documents(fresh) >= 5)
        process.kill()
        process.communicate()
        confirmed = documents(fresh)
        assert confirmed < 60, "it was done before it was killed: give it more files"
        report = fresh("ingest", tmp_path / "reports", "--json").json
        assert report["failed"] == []
        # Whatever had been confirmed is kept, and nothing is there twice.
        assert report["unchanged"] >= confirmed
        assert report["added"] + report["unchanged"] == 60
        store = fresh("status", "--json").json["stores"][0]
        assert store["documents"] == 60
        again = fresh("ingest", tmp_path / "reports", "--json").json
        assert again["unchanged"] == 60
        hits = fresh("search", "number7x", "--filter", "path=report-7.txt", "--top-k", "50", "--json").json["hits"]
        places = [(hit["start"], hit["end"]) for hit in hits]
        assert places
        assert len(places) == len(set(places))


def test_the_service_recovers_when_its_database_is_killed(fresh: Ragstone, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("The obelisk is polished with emery.")
    with fresh.serving() as address, httpx.Client(base_url=address, headers=fresh.headers, timeout=30) as http:
        assert fresh("ingest", tmp_path).status == 0

        def found() -> int:
            answer = http.post("/v1/vector_stores/default/search", json={"query": "obelisk"})
            # Either it is found or the service says that it is not there now: never an empty result.
            assert answer.status_code == 503 or answer.json()["data"]
            return answer.status_code

        assert found() == 200
        for _ in range(2):
            os.kill(postmaster(fresh.home), signal.SIGKILL)
            until(lambda: found() == 200)
        assert http.get("/readyz").status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_service_ends_in_order_when_it_is_asked_to(library: Ragstone, number: signal.Signals) -> None:
    process = library.start("serve", "--port", "0")
    assert process.stderr is not None
    assert "listens on" in process.stderr.readline()
    assert "`ragstone keys create` makes another" in process.stderr.readline()  # the first one is shown no more
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert err == ""


def test_what_goes_wrong_in_a_running_service_is_told_on_standard_error(fresh: Ragstone) -> None:
    models = fresh.home / "models.toml"
    models.write_text('[[models]]\nname = "away"\nurl = "http://127.0.0.1:9/v1"\n')
    process = fresh.start("serve", "--port", "0")
    assert process.stderr is not None
    key = process.stderr.readline().split()[-1]
    address = next(word for word in process.stderr.readline().split() if word.startswith("http://"))
    models.write_text("[[models]]\nname = 7\n")
    headers = {"authorization": f"Bearer {key}"}

    def trouble() -> object:
        return httpx.get(f"{address}/admin/models", headers=headers, timeout=30).raise_for_status().json()["trouble"]

    until(lambda: bool(trouble()))
    process.terminate()
    _, err = process.communicate(timeout=30)
    assert re.search(r"^\d\d:\d\d:\d\d  WARNING  .*former models stay in use$", err, re.MULTILINE), err


def test_interrupting_an_ingestion_ends_in_order(fresh: Ragstone, tmp_path: Path) -> None:
    write_many(tmp_path / "reports", 300)
    with fresh.serving():
        process = fresh.start("ingest", tmp_path / "reports")
        until(lambda: documents(fresh) >= 3)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "Interrupted" in err
        assert "Traceback" not in err
        assert documents(fresh) >= 3


@pytest.fixture
def small_disk(fresh: Ragstone) -> Iterator[Path]:
    """A data folder on a file system of its own that holds little."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=150m,mode=755", "tmpfs", str(fresh.home)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"mounting a small file system needs root: {mounted.stderr.strip()}")
    yield fresh.home
    until(lambda: subprocess.run(["umount", str(fresh.home)], capture_output=True, check=False).returncode == 0)


def test_a_full_disk_loses_nothing_that_was_confirmed(fresh: Ragstone, small_disk: Path, tmp_path: Path) -> None:
    (tmp_path / "first.txt").write_text("The obelisk is polished with emery.")
    assert fresh("ingest", tmp_path).status == 0
    filler = small_disk / "filler"
    with filler.open("wb") as file:
        while True:
            try:
                file.write(b"\0" * 2**16)
                file.flush()
            except OSError:
                break
    write_many(tmp_path, 40, sentences=400)
    outcome = fresh("ingest", tmp_path)
    assert outcome.status == 3, outcome
    assert "space" in outcome.err
    assert "Traceback" not in outcome.err
    filler.unlink()
    hits = fresh("search", "obelisk", "--json").json["hits"]
    assert any("emery" in hit["text"] for hit in hits)
