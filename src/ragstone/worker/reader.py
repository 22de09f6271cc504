"""The process that reads files: `python -m ragstone.worker.reader`, started by `ingest.sandbox`."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

from ragstone.bootstrap import tokenizer
from ragstone.ingest.prepare import serve
from ragstone.settings import load

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Answer jobs on standard input until it ends."""
    if sys.platform == "linux":
        # One that hangs in a file does not notice the end of its input.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    limit = load().settings.ingest_memory_mb * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Parsers that print must not talk into the messages.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(sys.stdin.buffer, answers, tokenizer())


if __name__ == "__main__":
    main()
