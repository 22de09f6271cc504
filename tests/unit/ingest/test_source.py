from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ragstone.ingest.source import SourceFile, walk

needs_other_user = pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")


def supported(path: Path) -> bool:
    return path.suffix in {".txt", ".md"}


def names(root: Path) -> list[str]:
    return [file.relative for file in walk([root], supported).files]


def write(folder: Path, *files: str) -> None:
    for name in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def test_files_come_in_the_order_of_their_names_and_with_their_place(tmp_path: Path) -> None:
    write(tmp_path, "b.txt", "a/z.txt", "a/b.md", "c.txt")
    assert names(tmp_path) == ["a/b.md", "a/z.txt", "b.txt", "c.txt"]


def test_hidden_and_tool_made_folders_are_left_out_and_other_kinds_counted(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", ".hidden.txt", ".git/b.txt", "node_modules/c.txt", "p.png", "q.png", "Makefile")
    found = walk([tmp_path], supported)
    assert [file.relative for file in found.files] == ["a.txt"]
    assert found.skipped == {".png": 2, "(none)": 1}


def test_a_file_that_is_named_itself_is_taken_whatever_its_kind(tmp_path: Path) -> None:
    write(tmp_path, "p.png")
    assert [file.relative for file in walk([tmp_path / "p.png"], supported).files] == ["p.png"]


def test_a_circle_of_links_is_walked_once(tmp_path: Path) -> None:
    write(tmp_path, "a/one.txt")
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a", target_is_directory=True)
    assert names(tmp_path) == ["a/one.txt"]


def test_a_linked_folder_and_file_are_followed_under_their_own_names(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", "one.txt")
    write(tmp_path / "root", "two.txt")
    (tmp_path / "root" / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert names(tmp_path / "root") == ["linked/one.txt", "two.txt"]


def test_a_broken_link_is_reported_and_nothing_below_it_counts_as_vanished(tmp_path: Path) -> None:
    write(tmp_path, "a.txt")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    found = walk([tmp_path], supported)
    assert [file.relative for file in found.files] == ["a.txt"]
    assert len(found.failed) == 1
    known = [str(tmp_path / "gone" / "kept.txt"), str(tmp_path / "b.txt")]
    assert found.vanished(known) == [str(tmp_path / "b.txt")]


def test_a_pipe_or_socket_is_not_opened(tmp_path: Path) -> None:
    write(tmp_path, "a.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    assert names(tmp_path) == ["a.txt"]


def test_a_missing_path_is_reported_and_removes_nothing(tmp_path: Path) -> None:
    missing = tmp_path / "unmounted"
    found = walk([missing], supported)
    assert "does not exist" in str(found.failed[0][1])
    assert found.vanished([str(missing / "a.txt")]) == []


def test_a_path_with_too_long_a_name_is_reported_and_the_others_are_walked(tmp_path: Path) -> None:
    write(tmp_path, "a.txt")
    found = walk([tmp_path / ("a" * 300), tmp_path / "a\0b", tmp_path], supported)
    assert [file.relative for file in found.files] == ["a.txt"]
    assert ["cannot be opened" in str(error) for _, error in found.failed] == [True, False]


def test_folders_nested_more_deeply_than_calls_are_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deepest = tmp_path
    with monkeypatch.context() as patch:
        patch.chdir(tmp_path)
        for _ in range(sys.getrecursionlimit() + 10):
            Path("d").mkdir()
            patch.chdir("d")
            deepest /= "d"
        Path("a.txt").write_text("deep")
    found = walk([tmp_path], supported)
    (deepest / "a.txt").unlink()
    while deepest != tmp_path:  # rmtree is one of those who call themselves
        deepest.rmdir()
        deepest = deepest.parent
    assert [file.path.name for file in found.files] == ["a.txt"]
    assert not found.failed


def test_only_files_below_a_walked_folder_can_vanish(tmp_path: Path) -> None:
    write(tmp_path, "docs/a.txt")
    found = walk([tmp_path / "docs"], supported)
    known = [str(tmp_path / name) for name in ("docs/a.txt", "docs/b.txt", "docs-old/c.txt", "other/d.txt")]
    assert found.vanished(known) == [str(tmp_path / "docs/b.txt")]


@needs_other_user
def test_a_folder_without_permission_is_reported_and_its_files_do_not_vanish(tmp_path: Path) -> None:
    write(tmp_path, "open/a.txt", "closed/b.txt")
    (tmp_path / "closed").chmod(0)
    try:
        found = walk([tmp_path], supported)
    finally:
        (tmp_path / "closed").chmod(0o755)
    assert [file.relative for file in found.files] == ["open/a.txt"]
    assert "right to read" in str(found.failed[0][1])
    assert found.vanished([str(tmp_path / "closed" / "b.txt")]) == []


def test_a_name_that_is_no_utf_8_has_a_stable_readable_source(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.txt"
    try:
        Path(os.fsdecode(raw)).write_text("coffee")
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    (file,) = walk([tmp_path], supported).files
    assert file.source.endswith("/caf\\xe9.txt")
    assert file.relative == "caf\\xe9.txt"
    file.source.encode()


def test_a_file_below_the_root_keeps_the_name_under_which_it_is_known(tmp_path: Path) -> None:
    file = SourceFile(tmp_path / "a.txt", tmp_path / "a.txt")
    assert (file.relative, file.source) == ("a.txt", str(tmp_path / "a.txt"))
