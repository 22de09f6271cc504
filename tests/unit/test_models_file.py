"""The file of models: what it takes, and what it says of what it does not take."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragstone.errors import SettingsError
from ragstone.settings.models import Kind, Model, read_models, secret

TWO = """
[pool]
attempts = 2

[[models]]
name = "near"
url = "http://127.0.0.1:8000/v1"

[[models]]
name = "far"
url = "https://llm.example.com/v1"
model = "large"
group = 1
price = { input = 0.5, output = 1.5 }

[[models]]
name = "vectors"
kind = "embedding"
protocol = "open-inference"
url = "http://embedder"
model = "minilm"
dimension = 768
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "models.toml"
    file.write_text(text)
    return file


def model(text: str) -> str:
    return f'[[models]]\nname = "m"\nurl = "http://m"\n{text}'


def test_a_file_names_its_models_and_their_order(tmp_path: Path) -> None:
    found = read_models(written(tmp_path, TWO))
    assert [(one.name, one.group) for one in found.of(Kind.CHAT)] == [("near", 0), ("far", 1)]
    assert [one.name for one in found.of(Kind.EMBEDDING)] == ["vectors"]
    assert found.of(Kind.CHAT)[1].price.output == 1.5
    assert found.pool.attempts == 2


def test_an_empty_file_has_no_models(tmp_path: Path) -> None:
    assert read_models(written(tmp_path, "")).models == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (model("colour = 1"), r"at models\.0\.colour"),
        (model('name2 = "x"'), r"models\.0\.name2"),
        (model("weight = 0"), r"models\.0\.weight"),
        (model('url2 = "ftp://m"'), r"models\.0\.url2"),
        (model('kind = "embedding"'), "needs its dimension"),
        (model('protocol = "anthropic"'), "speaks anthropic needs the name of the model"),
        *(
            (f'[[models]]\nname = "m"\nurl = "{url}"', r"models\.0\.url")
            for url in ("https://user:word@m", "http://m:99999", "http://m:0", "http://:80/v1", "http://[::1/v1")
        ),
        (model('kind = "embedding"\nprotocol = "anthropic"'), "anthropic is not spoken with embedding models"),
        (model('key_file = "a"\nkey_env = "B"'), "exclude each other"),
        (model("") + model(""), "two models have the name m"),
        ("[[models]]\nname = 1", r"models\.0"),
        ("[pool]\nattempts = 0", r"pool\.attempts"),
        ("[[models]", "cannot be read"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read_models(written(tmp_path, text))


def test_a_missing_file_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read_models(tmp_path / "none.toml")


def test_a_key_is_read_anew_when_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key"
    file.write_text("first\n")
    one = Model(name="m", url="http://m", key_file=file)
    assert secret(one) == "first"
    file.write_text("second")
    assert secret(one) == "second"
    monkeypatch.setenv("M_KEY", "third")
    assert secret(Model(name="m", url="http://m", key_env="M_KEY")) == "third"
    assert secret(Model(name="m", url="http://m")) is None


@pytest.mark.parametrize("content", [None, "", " \n", "a\0b", "two\nlines"])
def test_a_key_that_is_none_is_said_without_repeating_it(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError, match="The key of the model m") as caught:
        secret(Model(name="m", url="http://m", key_file=file))
    assert not content or not content.strip() or content not in str(caught.value)


def test_a_variable_without_a_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("M_KEY", raising=False)
    with pytest.raises(SettingsError, match="M_KEY is not set"):
        secret(Model(name="m", url="http://m", key_env="M_KEY"))
