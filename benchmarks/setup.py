"""What a newcomer waits for: from a clone to the first answer, the size of the install, the start of the service.

Runs `make demo` in a fresh clone with whatever the package installer has cached, so the first line depends on the
network; the others do not.

    python benchmarks/setup.py
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
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def seconds_until_answer(clone: Path, environment: dict[str, str]) -> dict[str, float]:
    """Seconds from the start of `make demo` to the end of set-up, to its first answer, and to its end."""
    start = time.perf_counter()
    process = subprocess.Popen(
        ["make", "demo"], cwd=clone, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    found: dict[str, float] = {}
    asked = False
    for line in process.stdout:
        if "$ ragstone ingest" in line:
            found["installed_s"] = time.perf_counter() - start
        asked = asked or "$ ragstone ask" in line
        if asked and "[1]" in line:
            found.setdefault("first_answer_s", time.perf_counter() - start)
    if process.wait():
        sys.exit("make demo failed")
    found["demo_s"] = time.perf_counter() - start
    return found


def size_mib(folder: Path) -> float:
    """What the files of a folder take on the disk."""
    return float(subprocess.run(["du", "-sm", folder], capture_output=True, text=True, check=True).stdout.split()[0])


def ready_s(program: Path, environment: dict[str, str]) -> float:
    """Seconds until `ragstone serve` listens, with its database and its embedder open."""
    start = time.perf_counter()
    process = subprocess.Popen([program, "serve", "--port", "0"], env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    process.stderr.readline()
    taken = time.perf_counter() - start
    process.terminate()
    process.communicate(timeout=60)
    return taken


def command_s(program: Path, environment: dict[str, str]) -> float:
    """Seconds of a command that starts the database, looks, and ends."""
    start = time.perf_counter()
    subprocess.run([program, "status"], env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="ragstone-setup-"))
    scratch.chmod(0o755)
    clone = scratch / "ragstone"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAGSTONE_")}
    try:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        found = seconds_until_answer(clone, environment)
        found["install_mib"] = size_mib(clone / ".venv") + size_mib(clone / "src/ragstone/models/minilm/weights")
        environment["RAGSTONE_HOME"] = str(clone / ".ragstone")
        program = clone / ".venv" / "bin" / "ragstone"
        found["serve_ready_s"] = statistics.median(ready_s(program, environment) for _ in range(5))
        found["status_s"] = statistics.median(command_s(program, environment) for _ in range(5))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    rounded = {name: round(value, 2) for name, value in found.items()}
    print(json.dumps(rounded) if arguments.json else "\n".join(f"{name:16} {value}" for name, value in rounded.items()))


if __name__ == "__main__":
    main()
