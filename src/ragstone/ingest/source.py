"""The files of a folder, found in a steady order and without running in circles."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ragstone.errors import RagstoneError, UnreadableFileError

# Folders that hold what tools made or keep, never a team's documents.
_SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__", "venv"})


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to ingest."""

    path: Path  # absolute, links not followed: the name under which the user knows it
    root: Path  # the folder or file that was asked for

    @property
    def source(self) -> str:
        """Its identity in a store; bytes of a name that are no UTF-8 are shown as escapes."""
        return os.fsencode(self.path).decode("utf-8", "backslashreplace")

    @property
    def relative(self) -> str:
        """Its place below the root, for people."""
        inner = self.path.relative_to(self.root) if self.path != self.root else Path(self.path.name)
        return os.fsencode(inner).decode("utf-8", "backslashreplace")


@dataclass(slots=True)
class Walk:
    """The files below some paths, and what could not be looked at."""

    files: list[SourceFile] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)  # files of a kind that is not read, by their extension
    failed: list[tuple[str, RagstoneError]] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)  # folders whose vanished files may be removed
    unseen: list[str] = field(default_factory=list)  # places below which nothing is known to have vanished

    def vanished(self, known: Sequence[str]) -> list[str]:
        """Those known sources that lay below a walked folder and are not there any more."""
        present = {file.source for file in self.files} | {source for source, _ in self.failed}
        return [
            source
            for source in known
            if source not in present
            and any(_is_below(source, root) for root in self.roots)
            and not any(source == place or _is_below(source, place) for place in self.unseen)
        ]


def walk(paths: Sequence[Path], supported: Callable[[Path], bool]) -> Walk:
    """Find the files of folders, in order of their names, and take files as they are.

    Hidden files and folders are left out, and so are files below a folder that `supported` does not know; a file
    that is named itself is always taken. A folder that is reached twice, as through a circle of links, is walked once.
    """
    found = Walk()
    for given in paths:
        path = Path(os.path.abspath(given))  # noqa: PTH100  Path.resolve would follow links
        try:
            mode = path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError, ValueError):  # a name with a NUL is no name
            missing = UnreadableFileError(f"{given} does not exist", remedy="Check the path")
            found.failed.append((str(given), missing))
        except OSError as error:
            _report(path, path, error, found)
        else:
            if stat.S_ISDIR(mode):
                found.roots.append(SourceFile(path, path).source)
                found.files.extend(_folder(path, supported, found))
            else:
                found.files.append(SourceFile(path, path))
    return found


def _folder(root: Path, supported: Callable[[Path], bool], found: Walk) -> Iterator[SourceFile]:
    visited: set[tuple[int, int]] = set()
    waiting = [root]  # not by recursion: folders may be nested more deeply than calls
    while waiting:
        path = waiting.pop()
        try:
            status = path.stat()
            if stat.S_ISDIR(status.st_mode):
                identity = (status.st_dev, status.st_ino)
                if identity not in visited and (path == root or path.name not in _SKIPPED_FOLDERS):
                    visited.add(identity)
                    inside = sorted(path.iterdir(), key=lambda inner: inner.name, reverse=True)
                    waiting.extend(inner for inner in inside if not inner.name.startswith("."))
                continue
        except OSError as error:
            _report(path, root, error, found)
            continue
        if stat.S_ISREG(status.st_mode) and supported(path):
            yield SourceFile(path, root)
        else:
            found.skipped[path.suffix.lower() or "(none)"] += 1


def _report(path: Path, root: Path, error: OSError, found: Walk) -> None:
    file = SourceFile(path, root)
    found.unseen.append(file.source)
    found.failed.append((file.source, unreadable(file.relative, error)))


def unreadable(name: str, error: OSError) -> UnreadableFileError:
    """The error of the file system in the reader's words."""
    remedy = "Give this user the right to read it" if isinstance(error, PermissionError) else "Check the file"
    return UnreadableFileError(f"{name} cannot be opened", why=error.strerror or str(error), remedy=remedy)


def _is_below(source: str, folder: str) -> bool:
    return source.startswith(folder.rstrip("/") + "/")
