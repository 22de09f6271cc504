"""The server's settings: a small footprint, and the safety of the data untouched."""

from __future__ import annotations

import sys

from ragstone.storage.embedded.folder import SOCKETS_AS_SEEN_FROM_DATA

# Linux can sync a file system in one call. A data folder has a thousand files and more, at 3 ms each on a disk that
# really flushes: one call makes the first start and the recovery from a crash seconds shorter.
ONE_SYNC = sys.platform == "linux"

# Rewritten at every start, so that old data folders get the settings of a newer Ragstone.
# What `ALTER SYSTEM` sets goes before these.
SETTINGS = {
    # clients: a few pools on this machine
    "max_connections": "50",
    # memory
    "shared_buffers": "256MB",  # a ceiling; memory is used as pages are
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",  # an HNSW index of 100,000 x 384 halves is built in it
    "huge_pages": "off",  # some containers announce them and kill who takes them
    # /dev/shm has 64 MB in a container by default, and lies outside the data folder
    "dynamic_shared_memory_type": "mmap",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    # processes
    "io_method": "sync",
    "max_logical_replication_workers": "0",
    "autovacuum_max_workers": "2",
    # writing: nobody replicates from here
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "wal_compression": "on",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    **({"recovery_init_sync_method": "syncfs"} if ONE_SYNC else {}),
    # planning: solid state disks, short queries
    "random_page_cost": "1.1",
    "effective_cache_size": "1GB",
    "jit": "off",
    # the log tells what went wrong
    "log_line_prefix": "%m [%p] %u@%d ",
    "log_checkpoints": "off",
    "cluster_name": "ragstone",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
SINCE = {"io_method": 18}  # settings that older servers do not know

ACCESS = "# Everyone needs a password; there is no TCP.\nlocal all all scram-sha-256\n"


def configuration(major: int) -> str:
    """The text of postgresql.conf for a server of that major version."""
    lines = [f"{name} = '{value}'" for name, value in SETTINGS.items() if SINCE.get(name, 0) <= major]
    return "\n".join(("# Written by Ragstone at every start; to change a setting use ALTER SYSTEM.", *lines, ""))


def fixed_arguments(configuration_file: str, access_file: str) -> list[str]:
    """Arguments of `postgres` that no setting may override: who can connect, and how.

    The socket's folder is relative to the data, so that its path is never too long to bind.
    """
    settings = {
        "config_file": configuration_file,
        "hba_file": access_file,
        "listen_addresses": "",
        "unix_socket_directories": SOCKETS_AS_SEEN_FROM_DATA,
        "port": "5432",
    }
    return [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
