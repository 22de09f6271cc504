"""Counts of an update: KServe's documentation 0.20 ingested over 0.19 in the same folder, against the true differences.

Then a folder of small files: how long ingestion takes, and looking at it again without a change.

    python benchmarks/updates.py --small 10000
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import corpus
from ingest import PROGRAM, own_memory


def pages(version: str) -> dict[str, str]:
    """Texts by path, without the version in the path."""
    found = corpus.lines("platform-docs", f"kserve-{version}.jsonl.gz")
    return {re.sub(r"version-\d+\.\d+/", "", record["path"]): record["text"] for record in found}


def lay_out(folder: Path, texts: dict[str, str]) -> None:
    """Make the folder hold just these."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def ingest(folder: Path, environment: dict[str, str], store: str) -> dict[str, object]:
    """Counts, seconds and peak memory of a run."""
    start, peak = time.perf_counter(), 0
    command = [*PROGRAM, "ingest", str(folder), "--store", store, "--json"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    while process.poll() is None:
        peak = max(peak, own_memory(process.pid)[0])
        time.sleep(0.1)
    assert process.stdout is not None
    report = json.load(process.stdout)
    counts = {name: report[name] for name in ("added", "replaced", "unchanged", "removed", "chunks")}
    return {
        **counts,
        "failed": len(report["failed"]),
        "seconds": round(time.perf_counter() - start, 1),
        "peak_mib": round(peak / 2**20),
    }


def differences(old: dict[str, str], new: dict[str, str]) -> dict[str, int]:
    """What an update has to count."""
    both = old.keys() & new.keys()
    return {
        "added": len(new.keys() - old.keys()),
        "replaced": sum(old[name] != new[name] for name in both),
        "unchanged": sum(old[name] == new[name] for name in both),
        "removed": len(old.keys() - new.keys()),
    }


def main() -> None:
    """Print each step; exit with 1 when a count is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", type=int, default=10_000)
    arguments = parser.parse_args()
    corpus.require_data()
    scratch = Path(tempfile.mkdtemp(prefix="ragstone-updates-"))
    scratch.chmod(0o755)
    environment = {**os.environ, "RAGSTONE_HOME": str(scratch / "home")}
    old, new = pages("0.19"), pages("0.20")
    right = True
    try:
        lay_out(scratch / "kserve", old)
        print("0.19            ", json.dumps(ingest(scratch / "kserve", environment, "kserve")), flush=True)
        lay_out(scratch / "kserve", new)
        found = ingest(scratch / "kserve", environment, "kserve")
        print("0.20 over it    ", json.dumps(found), flush=True)
        expected = differences(old, new)
        right = all(found[name] == count for name, count in expected.items())
        print("true differences", json.dumps(expected), "as counted" if right else "NOT AS COUNTED", flush=True)
        small = {f"{n % 100}/{n}.txt": f"Note {n}: stone {n * 7919 % 10_007} was cut." for n in range(arguments.small)}
        lay_out(scratch / "small", small)
        print("small files     ", json.dumps(ingest(scratch / "small", environment, "small")), flush=True)
        print("the same again  ", json.dumps(ingest(scratch / "small", environment, "small")), flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    sys.exit(not right)


if __name__ == "__main__":
    main()
