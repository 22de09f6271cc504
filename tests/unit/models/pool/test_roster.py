from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import pytest
from unit.models.pool.scripted import Clock, member

from ragstone.errors import SettingsError
from ragstone.models.pool.roster import CHECK_SECONDS, Roster
from ragstone.settings.models import Models, Pool


def write(file: Path, *names: str, rules: str = "") -> None:
    """Replace it the way editors do."""
    blocks = "".join(f'[[models]]\nname = "{name}"\nurl = "http://{name}"\n' for name in names)
    fresh = file.with_suffix(".new")
    fresh.write_text(rules + blocks, encoding="utf-8")
    fresh.replace(file)


def names(roster: Roster) -> list[str]:
    return [model.name for model in roster.current().models]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "models.toml"


def roster_of(file: Path, clock: Clock, *, required: bool = False, fixed: Models | None = None) -> Roster:
    return Roster(file, required=required, fixed=fixed, clock=clock)


def test_without_a_file_there_are_no_models(file: Path, clock: Clock) -> None:
    assert names(roster_of(file, clock)) == []


def test_a_file_that_was_named_must_be_there(file: Path, clock: Clock) -> None:
    with pytest.raises(SettingsError, match=r"models\.toml cannot be read"):
        roster_of(file, clock, required=True)


def test_a_file_that_does_not_fit_is_no_beginning(file: Path, clock: Clock) -> None:
    file.write_text('[[models]]\nname = "a"\n', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"does not fit at models\.0\.url"):
        roster_of(file, clock)


def test_a_changed_file_is_read_again_within_seconds_and_not_looked_at_all_the_time(file: Path, clock: Clock) -> None:
    write(file, "a")
    roster = roster_of(file, clock)
    before = roster.current()
    write(file, "a", "b")
    clock.now += CHECK_SECONDS / 2
    assert roster.current() is before
    clock.now += CHECK_SECONDS / 2
    assert names(roster) == ["a", "b"]


def test_what_did_not_change_is_the_same_object(file: Path, clock: Clock) -> None:
    write(file, "a")
    roster = roster_of(file, clock)
    before = roster.current()
    clock.now += 10 * CHECK_SECONDS
    assert roster.current() is before


def test_a_file_may_come_later(file: Path, clock: Clock) -> None:
    roster = roster_of(file, clock)
    write(file, "a")
    clock.now += CHECK_SECONDS
    assert names(roster) == ["a"]


def test_a_broken_file_changes_nothing_and_is_told_once(
    file: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    write(file, "a")
    roster = roster_of(file, clock)
    write(file, "b", "b")
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            clock.now += CHECK_SECONDS
            assert names(roster) == ["a"]
    assert len(caplog.records) == 1
    assert roster.trouble is not None
    assert "two models have the name b" in roster.trouble
    write(file, "c")
    clock.now += CHECK_SECONDS
    assert names(roster) == ["c"]
    assert roster.trouble is None


def test_the_link_above_the_file_may_be_swapped(tmp_path: Path, clock: Clock) -> None:
    """Kubernetes updates a mounted ConfigMap so: `..data` is a link to a folder with the files."""
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        write(tmp_path / version / "models.toml", version)
        os.utime(tmp_path / version / "models.toml", ns=(1, 1))
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "models.toml").symlink_to("..data/models.toml")
    roster = roster_of(tmp_path / "models.toml", clock, required=True)
    assert names(roster) == ["one"]
    (tmp_path / "..new").symlink_to("two")
    (tmp_path / "..new").replace(tmp_path / "..data")
    clock.now += CHECK_SECONDS
    assert names(roster) == ["two"]


def test_a_file_that_is_gone_for_a_moment_is_not_gone(file: Path, clock: Clock) -> None:
    write(file, "a")
    roster = roster_of(file, clock)
    file.unlink()
    clock.now += CHECK_SECONDS
    assert names(roster) == ["a"]
    write(file, "b")
    clock.now += CHECK_SECONDS
    assert names(roster) == ["b"]


def test_a_file_that_stays_away_takes_its_models_along(file: Path, clock: Clock) -> None:
    write(file, "a")
    roster = roster_of(file, clock)
    file.unlink()
    for _ in range(2):
        clock.now += CHECK_SECONDS
        roster.current()
    assert names(roster) == []
    assert roster.trouble is None


def test_the_models_of_a_named_file_that_goes_away_stay(file: Path, clock: Clock) -> None:
    write(file, "a")
    roster = roster_of(file, clock, required=True)
    file.unlink()
    for _ in range(3):
        clock.now += CHECK_SECONDS
        assert names(roster) == ["a"]
    assert roster.trouble is not None


def test_models_beside_the_file_replace_its_own_of_the_same_kind(file: Path, clock: Clock) -> None:
    file.write_text(
        "[pool]\nattempts = 7\n"
        '[[models]]\nname = "chat"\nurl = "http://c"\n'
        '[[models]]\nname = "rank"\nkind = "rerank"\nurl = "http://r"\n',
        encoding="utf-8",
    )
    roster = roster_of(file, clock, fixed=Models(models=(member("llm"),)))
    assert names(roster) == ["llm", "rank"]
    assert roster.current().pool.attempts == 7


def test_models_beside_the_file_do_without_it(file: Path, clock: Clock) -> None:
    roster = roster_of(file, clock, fixed=Models(pool=Pool(attempts=2), models=(member("llm"),)))
    assert names(roster) == ["llm"]
    assert roster.current().pool.attempts == 2


def test_a_version_that_could_not_be_read_for_a_moment_is_read_at_the_next_look(
    file: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(file, "a")
    roster = roster_of(file, clock)
    write(file, "a", "b")

    def too_many(*_: object, **__: object) -> str:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_text", too_many)
        clock.now += CHECK_SECONDS
        assert names(roster) == ["a"]
        assert "Too many open files" in str(roster.trouble)
    clock.now += CHECK_SECONDS
    assert names(roster) == ["a", "b"]
    assert roster.trouble is None
