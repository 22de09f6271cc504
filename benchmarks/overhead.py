"""What the whole service adds to a model server's answer: time to the first token and to the last, and throughput.

A mock answers 20 ms after it was asked, with some fifty tokens at once. It is asked directly, through `ragstone serve`
and, if there is one, through LiteLLM's proxy, in turn, by 1, 16 and 64 clients; each is one process. Every question
is new, so that no cache answers; the service searches a store of one small document, lets the model answer, checks
every sentence against the document and cites it.

Retrieval is excluded in two ways. Of each answer's times, what its own `timings_ms` say that the search took is
subtracted. And the search alone is asked for by as many clients: the processor time that it needs is subtracted from
the answer's. The first counts waiting for a core as part of the search, so under load the second is the fair one.

    python benchmarks/overhead.py --litellm PATH/TO/bin/litellm
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeAlias

import httpx
from mock_llm import ANSWER, TOKENS
from service import Place, completed, new_store
from streams import Target, Times, chat, load, processor_seconds

DOCUMENT = f"# The quarry\n\n{ANSWER.replace(' [1]', '')}\nThe office is open from nine to five.\n"
HERE = Path(__file__).parent
Processes: TypeAlias = tuple[int, ...]  # with their children


@contextmanager
def mock(first_token_ms: float, token_ms: float) -> Iterator[tuple[str, int]]:
    """The mock's address and process."""
    options = ["--first-token-ms", str(first_token_ms), "--token-ms", str(token_ms)]
    with subprocess.Popen(
        [sys.executable, str(HERE / "mock_llm.py"), *options], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.terminate()


@contextmanager
def litellm(program: Path, upstream: str) -> Iterator[tuple[str, str, int]]:
    """The address, the key and the process of LiteLLM's proxy in front of the mock."""
    key = f"sk-{secrets.token_hex(32)}"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    parameters = {"model": "openai/mock", "api_base": f"{upstream}/v1", "api_key": "none"}
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"  # JSON is YAML
        config.write_text(json.dumps({"model_list": [{"model_name": "mock", "litellm_params": parameters}]}))
        command = [str(program), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
        environment = {
            **os.environ,
            "LITELLM_LOG": "ERROR",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_MASTER_KEY": key,
        }
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                _wait_for(f"http://127.0.0.1:{port}/health/liveliness", process)
                yield f"http://127.0.0.1:{port}", key, process.pid
            finally:
                process.terminate()


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit("LiteLLM ended instead of listening")
        try:
            if httpx.get(address).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise SystemExit("LiteLLM does not listen")


async def store_with_document(place: Place, address: str) -> str:
    """The id of a store with the one document."""
    async with place.client(address, 1) as http:
        store = await new_store(http)
        form = {"file": ("quarry.md", DOCUMENT.encode(), "text/markdown")}
        sent = await http.post("/v1/files", data={"purpose": "assistants"}, files=form)
        await http.post(f"/v1/vector_stores/{store}/files", json={"file_id": sent.json()["id"]})
        await completed(http, store, 1)
    return store


def targets(stack: ExitStack, arguments: argparse.Namespace, place: Place) -> dict[Target, Processes]:
    """What is measured, with its processes; all of them run until the stack ends."""
    upstream, process = stack.enter_context(mock(arguments.first_token_ms, arguments.token_ms))
    found: dict[Target, Processes] = {chat("direct", f"{upstream}/v1", "none", "mock"): (process,)}
    service, process = stack.enter_context(place.service(llm_url=f"{upstream}/v1", llm_model="mock"))
    print(f"the service has the process {process}", file=sys.stderr)
    store = asyncio.run(store_with_document(place, service))
    database = next(place.home.rglob("postmaster.pid"))
    both = process, int(database.read_text().split()[0])
    found[chat("ragstone", f"{service}/v1", place.key, f"ragstone/{store}")] = both
    search = f"{service}/v1/vector_stores/{store}/search"
    found[Target("search alone", search, place.key, lambda question: {"query": question})] = both
    if arguments.litellm:
        proxy, key, process = stack.enter_context(litellm(arguments.litellm, upstream))
        found[chat("litellm", f"{proxy}/v1", key, "mock")] = (process,)
    return found


async def measure(found: dict[Target, Processes], arguments: argparse.Namespace) -> list[dict[str, object]]:
    """A row for each target and number of clients; the targets take turns, round by round."""
    for target in found:
        await load(target, 64, 3)  # imports, pools of connections, and the pool's slow start
    rows = []
    for clients in arguments.clients:
        all_times = {target: Times() for target in found}
        for _ in range(arguments.rounds):
            for target, times in all_times.items():
                before = sum(map(processor_seconds, found[target]))
                one = await load(target, clients, arguments.seconds)
                one.processor_seconds = sum(map(processor_seconds, found[target])) - before
                times.add(one)
        named = {target.name: times for target, times in all_times.items()}
        rows += [row(name, clients, named) for name in named]
    return rows


def row(name: str, clients: int, named: dict[str, Times]) -> dict[str, object]:
    """Figures of one target beside those of the mock alone."""
    times, direct = named[name], named["direct"]
    number = len(times.last)
    figures: dict[str, object] = {
        "target": name,
        "clients": clients,
        "answers": number,
        "per_s": round(number / times.seconds, 1),
        "processor_ms": round(1000 * times.processor_seconds / number, 2),
    }
    for moment in ("first", "last"):
        figures[f"{moment}_ms"] = quantiles(getattr(times, moment))
        if name not in {"direct", "search alone"}:
            figures[f"added_{moment}_ms"] = difference(getattr(times, moment), getattr(direct, moment))
        if name == "ragstone":
            left = [whole - found for whole, found in zip(getattr(times, moment), times.searched, strict=True)]
            figures[f"added_{moment}_without_search_ms"] = difference(left, getattr(direct, moment))
    if name == "ragstone":
        search = named["search alone"]
        alone = 1000 * search.processor_seconds / len(search.last)
        figures["processor_without_search_ms"] = round(1000 * times.processor_seconds / number - alone, 2)
        figures["search_ms"] = quantiles(times.searched)
    return figures


def conditions(arguments: argparse.Namespace) -> dict[str, object]:
    """What the figures depend on; another load on the machine shows in the first one."""
    return {
        "load_before": os.getloadavg()[0],
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "first_token_ms": arguments.first_token_ms,
        "token_ms": arguments.token_ms,
        "tokens": len(TOKENS),
        "seconds": arguments.seconds,
        "rounds": arguments.rounds,
    }


def quantiles(milliseconds: list[float]) -> list[float]:
    """Median and 95th percentile."""
    return [round(statistics.median(milliseconds), 2), round(statistics.quantiles(milliseconds, n=20)[18], 2)]


def difference(milliseconds: list[float], direct: list[float]) -> list[float]:
    """Of the medians, and of the 95th percentiles."""
    return [round(one - other, 2) for one, other in zip(quantiles(milliseconds), quantiles(direct), strict=True)]


def main() -> None:
    """Print the conditions and a JSON object for each row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--seconds", type=float, default=10, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--first-token-ms", type=float, default=20)
    parser.add_argument("--token-ms", type=float, default=0, help="from one token to the next")
    parser.add_argument("--litellm", type=Path, help="the program of an environment with litellm[proxy]")
    arguments = parser.parse_args()
    print(json.dumps(conditions(arguments)), flush=True)
    place = Place()
    try:
        with ExitStack() as stack:
            found = targets(stack, arguments, place)
            for figures in asyncio.run(measure(found, arguments)):
                print(json.dumps(figures), flush=True)
    finally:
        shutil.rmtree(place.home, ignore_errors=True)


if __name__ == "__main__":
    main()
