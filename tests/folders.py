"""Where tests keep the data folders of servers."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

# Removing a thousand synced files takes seconds on some disks; None is the usual place.
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() and shutil.disk_usage("/dev/shm").free > 2**30 else None


def open_folder(prefix: str) -> Path:
    """A folder that the database's own user may enter, which pytest's are not when root runs them."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=MEMORY))
    folder.chmod(0o755)
    return folder
