"""The process side: runs PostgreSQL programs as the right user, and keeps the server alive while it is used.

A program of its own, started as `python -I -S keeper.py run|keep FOLDER`, so that it starts in milliseconds and stays
small; it imports nothing of Ragstone. FOLDER is for who looks at the list of processes. The job is the first line of
the input, a JSON object, see `Job`; what follows is for the program that is run.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import NoReturn, TypedDict

PR_SET_PDEATHSIG = 1  # linux/prctl.h
CLONE_NEWNS = 0x00020000  # linux/sched.h
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000  # linux/mount.h

ON_LINUX = sys.platform == "linux"
NEEDS_NAMESPACE = "no private view of the data folder"  # the user side looks for these words
LOG_LIMIT = 32 * 2**20  # bytes of server.log while the server runs; errors of a long life must not fill the disk
LOG_CHECK = 600  # seconds between looks at its size
SHUTDOWN_PATIENCE = 60  # seconds for a fast shutdown, which writes a checkpoint, before it becomes an immediate one
WAITED_FOR = (signal.SIGCHLD, signal.SIGTERM, signal.SIGALRM)


class Job(TypedDict):
    """What to run, and as whom."""

    argv: list[str]
    cwd: str
    env: dict[str, str]
    user: list[int] | None  # uid and gid to become; None to stay who we are
    mount: list[str] | None  # a folder, and where only this process and its children see it instead
    users: str  # of `keep`: the lock file that every user of the server holds shared
    log: str  # of `keep`: where the server writes its messages
    private: list[int]  # of `keep`: descriptors that the server must not inherit
    parent: int  # of `run`: the process that this one must not outlive


def call(name: str, *arguments: object) -> None:
    """Call a function of the C library.

    Raises:
        OSError: It failed.
    """
    function = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if function is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if function(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def mount_privately(source: str, target: str) -> None:
    """Show a folder at another place, to this process and its children alone."""
    try:
        call("unshare", CLONE_NEWNS)
        call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
        call("mount", os.fsencode(source), os.fsencode(target), None, MS_BIND | MS_REC, None)
    except OSError as error:
        raise OSError(error.errno, f"{NEEDS_NAMESPACE}: {error.strerror}") from error


def become(job: Job, parent: int, farewell: signal.Signals) -> NoReturn:
    """Turn this process into the job's program, which receives `farewell` when `parent` dies.

    The order matters: mounting needs root, and a change of user forgets the signal.
    """
    if job["mount"] is not None:
        mount_privately(*job["mount"])
    if job["user"] is not None:
        uid, gid = job["user"]
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if ON_LINUX:
        call("prctl", PR_SET_PDEATHSIG, farewell)
        if os.getppid() != parent:  # died before the signal was set
            os._exit(os.EX_TEMPFAIL)
    for handled in (signal.SIGPIPE, signal.SIGINT):
        signal.signal(handled, signal.SIG_DFL)
    # From here on a signal that came since the fork, such as the keeper's wish to end, takes effect.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.chdir(job["cwd"])
    os.execve(job["argv"][0], job["argv"], job["env"])  # noqa: S606 - the program is ours, there is no shell


def start_server(job: Job) -> int:
    """Start PostgreSQL as a child; returns its process id."""
    keeper = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        become(job, keeper, signal.SIGINT)
    except OSError as error:
        sys.stderr.write(f"FATAL:  {job['argv'][0]} cannot be started: {error.strerror}\n")
        sys.stderr.flush()
    os._exit(os.EX_OSERR)


def await_last_user(path: str) -> None:
    """Wait until no process holds the lock of the users, then ask the main thread to end the server.

    The kernel releases the lock of a user however it dies. This process never gives it back, so a user who comes
    later finds it taken and waits for the next server.
    """
    descriptor = os.open(path, os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.kill(os.getpid(), signal.SIGTERM)


def bound_log(path: str) -> None:
    """Move a log that has grown too large to the side; its writers append, so they go on at the start."""
    log = Path(path)
    if log.stat().st_size > LOG_LIMIT:
        log.with_suffix(".log.1").write_bytes(log.read_bytes()[-LOG_LIMIT // 2 :])
        os.truncate(log, 0)


def watch(server: int, log: str) -> None:
    """Wait for the server's end; end it, ever less gently, once asked by SIGTERM."""
    endings = iter((signal.SIGINT, signal.SIGQUIT, signal.SIGKILL))
    asked = False
    signal.alarm(LOG_CHECK)
    while True:
        # Signals are received here alone and never interrupt, so the server cannot be reaped before it is signalled.
        received = signal.sigwait(WAITED_FOR)
        if received == signal.SIGCHLD:
            if os.waitpid(server, os.WNOHANG)[0]:
                return
        elif received == signal.SIGTERM and asked:
            continue
        elif received == signal.SIGTERM or asked:
            asked = True
            os.kill(server, next(endings, signal.SIGKILL))
            signal.alarm(SHUTDOWN_PATIENCE)
        else:
            bound_log(log)
            signal.alarm(LOG_CHECK)


def keep(job: Job) -> NoReturn:
    """Leave the starter, start the server and stay until it has ended."""
    if os.fork():
        os._exit(os.EX_OK)  # the starter reaps this one and is not the keeper's parent
    os.umask(0o077)
    for descriptor in job["private"]:
        fcntl.fcntl(descriptor, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    null = os.open(os.devnull, os.O_RDONLY)
    log = os.open(job["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for standard, descriptor in enumerate((null, log, log)):
        os.dup2(descriptor, standard)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # a signal that is ignored by default may not be waited for
    # Blocked, not ignored: what comes before the child is PostgreSQL waits for it instead of being lost.
    signal.pthread_sigmask(signal.SIG_SETMASK, (*WAITED_FOR, signal.SIGINT, signal.SIGHUP))
    server = start_server(job)
    threading.Thread(target=await_last_user, args=(job["users"],), daemon=True).start()
    watch(server, job["log"])
    os._exit(os.EX_OK)  # without waiting for the thread


def main() -> None:
    """Do as the command line says."""
    with open(0, "rb", buffering=0, closefd=False) as source:  # unbuffered: not a byte more than the line
        job: Job = json.loads(source.readline())
    if sys.argv[1] == "keep":
        keep(job)
    try:
        become(job, job["parent"], signal.SIGKILL)
    except OSError as error:
        sys.exit(f"FATAL:  {job['argv'][0]} cannot be started: {error.strerror}")


if __name__ == "__main__":
    main()
