"""A real llama.cpp server, in a process of its own, with a model that speaks nonsense."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from llama_model import write_model

NAME = "tiny-random-llama"
KEY = "sk-llama"
_ADDRESS = re.compile(r"listening on (http://\S+)\n")
_SECONDS = 60  # to start; half a second is usual


@contextmanager
def llama_server(folder: Path, kind: str = "chat", context: int = 2048) -> Iterator[str]:
    """Its base address with /v1, while it is entered; `kind` is chat, embedding or rerank. It wants the key `KEY`."""
    model = folder / f"{NAME}.gguf"
    if not model.exists():
        write_model(model)
    command = [sys.executable, __file__, str(model), "--kind", kind, "--context", str(context)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout
            watch = threading.Timer(_SECONDS, process.kill)
            watch.start()
            line = process.stdout.readline()
            watch.cancel()
            found = _ADDRESS.fullmatch(line)
            if found is None:
                log.seek(0)
                raise RuntimeError(f"llama.cpp does not start: {log.read()[-2000:].decode(errors='replace')}")
            yield f"{found[1]}/v1"
        finally:
            process.kill()
            process.communicate()


def main(arguments: Sequence[str]) -> None:
    """Serve until standard input ends."""
    import xllamacpp

    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--kind", choices=["chat", "embedding", "rerank"], default="chat")
    parser.add_argument("--context", type=int, default=2048)
    options = parser.parse_args(arguments)
    params = xllamacpp.CommonParams()
    params.model.path = options.model
    params.model_alias = {NAME}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [KEY]
    params.n_ctx = options.context * 2
    params.n_parallel = 2
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = 1
    params.warmup = False
    if options.kind != "chat":
        params.embedding = True
        is_rerank = options.kind == "rerank"
        pooling = xllamacpp.llama_pooling_type
        params.pooling_type = pooling.LLAMA_POOLING_TYPE_RANK if is_rerank else pooling.LLAMA_POOLING_TYPE_MEAN
    server = xllamacpp.Server(params)
    print(f"listening on {server.listening_address}", flush=True)  # noqa: T201 - that is how its address is told
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
