"""A process that reads files, so that one bad file costs one line of the report and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

from ragstone.errors import RagstoneError, UnreadableFileError
from ragstone.ingest.prepare import FRAME, Done, Job, Message, Unchanged


class Sandbox:
    """Prepares one file at a time in a child process that is replaced when it crashes or hangs."""

    def __init__(self, command: Sequence[str], *, seconds: float) -> None:
        """`command` runs `prepare.serve`; a file may keep the child busy for this long without an answer."""
        self._command = command
        self._seconds = seconds
        self._process: asyncio.subprocess.Process | None = None

    async def prepare(self, job: Job) -> AsyncGenerator[Message]:
        """The messages of a file up to the last one, which is `Unchanged`, `Done` or an error."""
        process = await self._running()
        complete = False
        try:
            assert process.stdin is not None
            frame = pickle.dumps(job, pickle.HIGHEST_PROTOCOL)
            process.stdin.write(FRAME.pack(len(frame)) + frame)
            while not complete:
                message = await self._answer(process, job)
                complete = isinstance(message, Unchanged | Done | RagstoneError)
                yield message
        finally:
            # Whoever leaves early leaves a child in the middle of a file.
            if not complete:
                await self.close()

    async def close(self) -> None:
        """End the child."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                # BLAS threads reserve address space and the child computes nothing.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )
        return self._process

    async def _answer(self, process: asyncio.subprocess.Process, job: Job) -> Message:
        assert process.stdout is not None
        try:
            async with asyncio.timeout(self._seconds):
                (length,) = FRAME.unpack(await process.stdout.readexactly(FRAME.size))
                message: Message = pickle.loads(await process.stdout.readexactly(length))  # noqa: S301
                return message
        except TimeoutError:
            await self.close()
            return UnreadableFileError(
                f"{job.name} took too long to read",
                why=f"more than {self._seconds:g} s",
                remedy="Split it, or raise RAGSTONE_INGEST_FILE_SECONDS",
            )
        except (asyncio.IncompleteReadError, ConnectionError):
            status = await process.wait()
            await self.close()
            return UnreadableFileError(
                f"{job.name} crashed its reader",
                why=signal.strsignal(-status) or f"signal {-status}" if status < 0 else f"exit status {status}",
                remedy="The file is probably damaged: save it again with the program that made it",
            )


@asynccontextmanager
async def sandbox(command: Sequence[str], *, seconds: float) -> AsyncIterator[Sandbox]:
    """A sandbox whose child is gone afterwards."""
    box = Sandbox(command, seconds=seconds)
    try:
        yield box
    finally:
        await box.close()


class Sandboxes:
    """A few sandboxes, each lent to one file at a time."""

    def __init__(self, sandboxes: Sequence[Sandbox]) -> None:
        """Lend these."""
        self._idle: asyncio.Queue[Sandbox] = asyncio.Queue()
        for box in sandboxes:
            self._idle.put_nowait(box)

    @asynccontextmanager
    async def reading(self, job: Job) -> AsyncIterator[AsyncGenerator[Message]]:
        """The messages of a file, see `Sandbox.prepare`, once a sandbox is idle.

        Who leaves before the last message ends the reading.
        """
        box = await self._idle.get()
        try:
            async with contextlib.aclosing(box.prepare(job)) as messages:
                yield messages
        finally:
            self._idle.put_nowait(box)
