"""The shipped program as a user runs it: in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = (str(Path(sys.executable).with_name("ragstone")),)


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Ragstone:
    """The program with a data folder."""

    home: Path
    extra: Mapping[str, str]
    keys: list[str] = field(default_factory=list)  # that a service printed

    @property
    def key(self) -> str:
        """The first key of the installation."""
        return self.keys[0]

    @property
    def headers(self) -> dict[str, str]:
        """What opens the service to a plain client."""
        return {"authorization": f"Bearer {self.key}"}

    @property
    def environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("RAGSTONE_")}
        return {**clean, "RAGSTONE_HOME": str(self.home), "COLUMNS": "120", **self.extra}

    def __call__(self, *arguments: str | Path, timeout: float = 120) -> Outcome:
        done = subprocess.run(
            [*PROGRAM, *map(str, arguments)],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*PROGRAM, *map(str, arguments)],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def having(self, **settings: str) -> Ragstone:
        """The same with other settings."""
        named = {f"RAGSTONE_{name.upper()}": value for name, value in settings.items()}
        return Ragstone(self.home, {**self.extra, **named}, self.keys)

    @contextmanager
    def serving(self) -> Iterator[str]:
        """A running service; yields its address."""
        process = self.start("serve", "--port", "0")
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            if "first key" in line:
                self.keys.append(line.split()[-1])
                line = process.stderr.readline()
            yield next(word for word in line.split() if word.startswith("http://"))
        finally:
            process.terminate()
            process.communicate(timeout=60)
