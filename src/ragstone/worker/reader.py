"""The process that reads files: `python -m ragstone.worker.reader`, started by `ingest.sandbox`."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Answer jobs on standard input until it ends; the wish to end is the parent's affair."""
    # Ctrl-C and a service manager reach every process at once; the parent lets a file come to its end, then kills.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        # One that hangs in a file does not notice the end of its input.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # Imported here, for it takes long enough for a signal to come in between.
    from ragstone.bootstrap import tokenizer
    from ragstone.ingest.prepare import serve
    from ragstone.settings import load

    limit = load().settings.ingest_memory_mb * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Parsers that print must not talk into the messages.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(sys.stdin.buffer, answers, tokenizer())


if __name__ == "__main__":
    main()
