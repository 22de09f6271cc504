"""Throughput and memory of `ragstone ingest`, beside the bare embedder on the same texts and threads.

The command runs as a user runs it, start and end included; its memory is the sum over its own processes (the program
and its readers, not the database) of what each has for itself, sampled 20 times a second. Then the embedder alone
embeds the very chunks that were stored. Both run `--rounds` times in turn.

    python benchmarks/ingest.py                    # the pages of platform-docs
    python benchmarks/ingest.py --folder PATH      # any folder
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import corpus
import psycopg

from ragstone.bootstrap import DATABASE, embedded_server
from ragstone.settings import Settings

PROGRAM = [sys.executable, "-c", "from ragstone.cli.app import main; main()"]
_DATABASE_PROCESSES = ("postgres", "keeper")


def own_memory(process: int) -> tuple[int, int]:
    """Bytes of a process and its children, without the database's; bytes of the database."""
    program = database = 0
    waiting = [process]
    while waiting:
        current = waiting.pop()
        try:
            rollup = Path(f"/proc/{current}/smaps_rollup").read_text()
            command = Path(f"/proc/{current}/cmdline").read_text()
            children = Path(f"/proc/{current}/task/{current}/children").read_text()
        except OSError:
            continue
        waiting.extend(map(int, children.split()))
        size = next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
        if any(name in command for name in _DATABASE_PROCESSES):
            database += size
        else:
            program += size
    return program, database


def ingest(folder: Path, home: Path, environment: dict[str, str]) -> dict[str, float]:
    """One run of the command on an empty data folder."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(mode=0o755)
    # The server's first start is measured by benchmarks/setup.py.
    subprocess.run([*PROGRAM, "status"], env=environment, check=True, capture_output=True)
    start = time.perf_counter()
    process = subprocess.Popen(
        [*PROGRAM, "ingest", str(folder), "--json"], env=environment, stdout=subprocess.PIPE, text=True
    )
    peak = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.05):
            peak = max(peak, own_memory(process.pid)[0])

    watcher = threading.Thread(target=watch)
    watcher.start()
    out, _ = process.communicate()
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    report = json.loads(out)
    return {
        "files": report["added"],
        "failed": len(report["failed"]),
        "chunks": report["chunks"],
        "seconds": seconds,
        "peak_mib": peak / 2**20,
    }


def stored_texts(home: Path) -> list[str]:
    """What was embedded: context and text of every chunk."""
    server = embedded_server(Settings(home=home))
    server.start()
    try:
        with psycopg.connect(server.admin_dsn(DATABASE)) as connection:
            rows = connection.execute(
                "SELECT CASE WHEN context = '' THEN body ELSE context || E'\\n' || body END FROM ragstone.chunk"
            ).fetchall()
    finally:
        server.stop()
    return [row[0] for row in rows]


def embed(texts: list[str], threads: int) -> float:
    """Seconds of the embedder alone, in a process of its own."""
    code = (
        "import json, sys, time; from ragstone.models.minilm.embedder import MiniLM\n"
        f"texts = json.load(sys.stdin); model = MiniLM(threads={threads}); model.embed(texts[:50])\n"
        "start = time.perf_counter()\n"
        "for first in range(0, len(texts), 128): model.embed(texts[first : first + 128])\n"
        "print(time.perf_counter() - start)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def main() -> None:
    """Print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="ragstone-ingest-"))
    scratch.chmod(0o755)
    try:
        folder = arguments.folder
        if folder is None:
            corpus.require_data()
            folder = scratch / "pages"
            corpus.write_pages(folder)
        environment = {
            **os.environ,
            "RAGSTONE_HOME": str(scratch / "home"),
            "RAGSTONE_EMBEDDER_THREADS": str(arguments.threads),
        }
        rounds = []
        for _ in range(arguments.rounds):
            found = ingest(folder, scratch / "home", environment)
            texts = stored_texts(scratch / "home")
            found["embedder_seconds"] = embed(texts, arguments.threads)
            found["share"] = found["embedder_seconds"] / found["seconds"]
            rounds.append(found)
            print(json.dumps(found), file=sys.stderr, flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    median = {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}
    if arguments.json:
        print(json.dumps({"rounds": rounds, "median": median}))
        return
    print(
        f"{median['files']:,.0f} files, {median['chunks']:,.0f} chunks, {median['failed']:.0f} failed;"
        f" {arguments.threads} threads, n = {arguments.rounds}\n"
        f"files/s {median['files'] / median['seconds']:.1f}, chunks/s {median['chunks'] / median['seconds']:.1f},"
        f" embedder alone {median['chunks'] / median['embedder_seconds']:.1f} texts/s,"
        f" share {median['share']:.0%}, peak memory {median['peak_mib']:.0f} MiB"
    )


if __name__ == "__main__":
    main()
