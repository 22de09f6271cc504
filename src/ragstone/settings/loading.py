"""The only reader of the environment and of the settings file.

A setting comes from the environment (`RAGSTONE_` and its name in capitals), else from the TOML file, else it has
its default. An unknown name fails at start: a misspelt setting that is ignored is found weeks later.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from ragstone.errors import SettingsError
from ragstone.settings.fields import Settings, default_home

PREFIX = "RAGSTONE_"
_WITH_PARTS = frozenset({"databases", "databases_admin", "oidc"})


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the value of a setting came from."""

    name: str
    value: str  # as text, passwords masked
    source: str  # default, environment, or the file's path
    variable: str  # the environment variable that sets it
    description: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings in force and where each came from."""

    settings: Settings
    origins: tuple[Origin, ...]


def load(environ: Mapping[str, str] | None = None) -> Loaded:
    """Read the environment and the settings file.

    The file is `RAGSTONE_CONFIG`, else `ragstone.toml` in the data folder if there is one. In it a name such as
    `database_url` may also be written as `url` in a table `[database]`.

    Raises:
        SettingsError: A name is unknown, a value does not fit, or the file cannot be read.
    """
    environ = os.environ if environ is None else environ
    variables = {k.removeprefix(PREFIX).lower(): v for k, v in environ.items() if k.startswith(PREFIX)}
    named = variables.pop("config", None)
    file = Path(named) if named else Path(variables.get("home") or default_home()) / "ragstone.toml"
    written = _read_file(file, required=named is not None)
    _refuse_unknown(variables, lambda name: PREFIX + name.upper(), "the environment")
    _refuse_unknown(written, str, str(file))
    values: dict[str, object] = {**written, **{name: _parsed(name, text) for name, text in variables.items()}}
    if "home" in values:
        values["home"] = Path(str(values["home"])).expanduser().absolute()
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        place = f"{PREFIX}{name.upper()}" if name in variables else f"{name} in {file}"
        raise SettingsError(
            f"The setting {place} does not fit", why=first["msg"], remedy=Settings.model_fields[name].description or ""
        ) from None
    origins = tuple(
        Origin(
            name=name,
            value=_shown(getattr(settings, name)),
            source="environment" if name in variables else str(file) if name in written else "default",
            variable=PREFIX + name.upper(),
            description=field.description or "",
        )
        for name, field in Settings.model_fields.items()
    )
    return Loaded(settings, origins)


def _parsed(name: str, text: str) -> object:
    """The text of a variable, or what it says in JSON where a setting has parts."""
    if name not in _WITH_PARTS:
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise SettingsError(
            f"The setting {PREFIX}{name.upper()} is no JSON",
            why=str(error),
            remedy="Mend it, or write it into the settings file",
        ) from None


def _read_file(file: Path, *, required: bool) -> dict[str, object]:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if required:
            raise SettingsError(
                f"The settings file {file} does not exist", remedy="Create it or unset RAGSTONE_CONFIG"
            ) from None
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"The settings file {file} cannot be read", why=str(error)) from None
    flat: dict[str, object] = {}
    for key, value in content.items():
        if isinstance(value, dict) and key not in _WITH_PARTS:
            flat.update({f"{key}_{inner}": v for inner, v in value.items()})
        else:
            flat[key] = value
    return flat


def _refuse_unknown(names: Mapping[str, object], spelling: Callable[[str], str], place: str) -> None:
    for name in names:
        if name not in Settings.model_fields:
            near = difflib.get_close_matches(name, Settings.model_fields, n=1)
            raise SettingsError(
                f"There is no setting {spelling(name)} (found in {place})",
                remedy=f"Did you mean {spelling(near[0])}?" if near else "`ragstone config` lists all settings",
            )


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return json.dumps({name: _shown(part) for name, part in value.items()})
    return mask_password(str(value))


def mask_password(dsn: str) -> str:
    """A connection string as it may be shown."""
    dsn = re.sub(r"(://[^:/@]*):.*@", r"\1:***@", dsn)
    return re.sub(r"(password\s*=\s*)('[^']*'|\S+)", r"\1***", dsn)
