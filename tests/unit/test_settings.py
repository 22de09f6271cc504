"""Settings with parts: databases that tenants have to themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragstone.errors import SettingsError
from ragstone.settings import load

VAULT = "postgresql://service:very-secret@vault.example.com/ragstone"


def test_databases_are_a_table_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "ragstone.toml").write_text(f'[databases]\nvault = "{VAULT}"\n\n[database]\npool = 3\n')
    settings = load({"RAGSTONE_HOME": str(tmp_path)}).settings
    assert settings.databases == {"vault": VAULT}
    assert settings.database_pool == 3


def test_databases_are_a_json_object_of_the_environment(tmp_path: Path) -> None:
    given = {"RAGSTONE_HOME": str(tmp_path), "RAGSTONE_DATABASES": f'{{"vault": "{VAULT}"}}'}
    loaded = load(given)
    assert loaded.settings.databases == {"vault": VAULT}
    (shown,) = [origin.value for origin in loaded.origins if origin.name == "databases"]
    assert "vault" in shown
    assert "vault.example.com" in shown
    assert "very-secret" not in shown


@pytest.mark.parametrize("text", ["vault", '["vault"]', '{"vault": 1}'])
def test_what_is_no_such_object_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match="RAGSTONE_DATABASES"):
        load({"RAGSTONE_HOME": str(tmp_path), "RAGSTONE_DATABASES": text})
