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
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ragstone.domain import Scope
from ragstone.errors import SettingsError

PREFIX = "RAGSTONE_"
_WITH_PARTS = frozenset({"databases", "databases_admin", "oidc"})


def _default_home() -> Path:
    # PostgreSQL refuses to run as root and has to give up the privilege; root's own home is closed to everyone
    # else, so root's data belongs where the file hierarchy standard puts a service's state.
    if os.geteuid() == 0:
        return Path("/var/lib/ragstone")
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "ragstone"


TokenScope = Literal[Scope.READ, Scope.WRITE, Scope.ADMIN]


class OidcIssuer(BaseModel):
    """An OpenID Connect issuer whose tokens are accepted: an [[oidc]] block of the settings file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str = Field(description="As the claim `iss` has it, letter for letter; https, or http on loopback.")
    audience: str = Field(min_length=1, description="What the claim `aud` has to name.")
    tenant: str | None = Field(default=None, description="Tenant of every token of this issuer.")
    tenant_claim: str | None = Field(default=None, description="Instead of tenant: the claim that names it.")
    tenants: frozenset[str] = Field(default=frozenset(), description="Tenants that the claim may name; none: any.")
    user_claim: str = Field(default="sub", description="The claim that names the user.")
    groups_claim: str = Field(default="groups", description="The claim with the user's groups.")
    scope_claim: str = Field(default="scope", description="The claim whose values `scopes` translates.")
    scopes: dict[str, TokenScope] = Field(default_factory=dict, description="What a value of that claim gives.")
    default_scopes: frozenset[TokenScope] = Field(
        default=frozenset({Scope.READ}), description="What every token may do, whatever its claims."
    )
    ca_file: Path | None = Field(default=None, description="PEM file of the issuer's authorities; none: the system's.")


class Settings(BaseModel):
    """Every setting with its default and what it is for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path = Field(default_factory=_default_home, description="Data folder of the embedded database.")
    database_url: str | None = Field(
        default=None,
        description="Own PostgreSQL (>= 16 with pgvector >= 0.8.5) instead of the embedded one, as a URL or DSN.",
    )
    database_admin_url: str | None = Field(
        default=None,
        description="Owner's connection for migrations; without it database_url migrates as well.",
    )
    database_pool: int = Field(default=10, ge=1, le=1000, description="Connections that one process opens at most.")
    databases: dict[str, str] = Field(
        default_factory=dict,
        description="Further databases, by name, for tenants that have their own; in the environment a JSON object.",
    )
    databases_admin: dict[str, str] = Field(
        default_factory=dict,
        description="Owners' connections for migrations of these; without one that of the database migrates as well.",
    )
    postgres_bindir: Path | None = Field(
        default=None, description="Folder of own PostgreSQL programs for the embedded server."
    )
    tenant: str = Field(default="default", min_length=1, description="Tenant for whom commands act.")
    store: str = Field(default="default", min_length=1, description="Store that commands use when none is named.")
    embedder_threads: int = Field(
        default=0, ge=0, description="Threads of the local embedder while ingesting; 0 takes every core."
    )
    query_threads: int = Field(default=1, ge=1, description="Threads of the local embedder for one question.")
    objects_url: str | None = Field(
        default=None,
        description="Bucket for uploaded files, as s3://bucket/prefix, with ragstone[s3]; without it they lie in the "
        "database.",
    )
    objects_endpoint: str | None = Field(
        default=None, description="Address of the bucket's service; without it Amazon's, of the region."
    )
    objects_region: str = Field(default="us-east-1", description="Region of the bucket.")
    objects_path_style: bool = Field(
        default=True, description="Name the bucket in the path; false: in the host's name, as Amazon wants it."
    )
    objects_credentials_file: Path | None = Field(
        default=None,
        description="Credentials for the bucket in AWS's ini format, read again when they change; without it the AWS_ "
        "variables, a web identity or the machine's role.",
    )
    upload_max_mb: int = Field(default=512, ge=1, description="Larger uploads are refused, in MiB.")
    ingest_max_file_mb: int = Field(default=100, ge=1, description="Larger files are refused, in MiB.")
    ingest_expanded_mb: int = Field(default=512, ge=1, description="Most that a compressed file may expand to, in MiB.")
    ingest_file_seconds: int = Field(default=300, ge=1, description="A file that takes longer to read is given up.")
    ingest_memory_mb: int = Field(
        default=2048,
        ge=256,
        description="Address space of the process that reads files, in MiB; a file that needs more fails.",
    )
    ingest_readers: int = Field(default=2, ge=1, le=64, description="Processes that read files while ingesting.")
    ingest_ocr: bool = Field(default=False, description="Recognise text in scanned pages; needs ragstone[ocr].")
    serve_worker: bool = Field(
        default=True, description="Let `ragstone serve` work on uploaded files itself, beside any `ragstone worker`."
    )
    worker_concurrency: int = Field(default=4, ge=1, le=64, description="Files that a worker has in hand at a time.")
    worker_lease_seconds: int = Field(
        default=30, ge=1, description="A worker that says nothing for this long has lost its files to the others."
    )
    worker_grace_seconds: int = Field(
        default=20, ge=0, description="Time to finish files in when a worker is to end; the rest is handed back."
    )
    chunk_tokens: int = Field(default=200, ge=32, le=256, description="Size of a chunk in tokens of the embedder.")
    search_top_k: int = Field(default=10, ge=1, le=50, description="Hits of a search.")
    oidc: tuple[OidcIssuer, ...] = Field(
        default=(),
        description="OpenID Connect issuers whose tokens are accepted, an [[oidc]] block each; in the environment a "
        "JSON array.",
    )
    response_days: int = Field(default=30, ge=1, le=3650, description="Days for which answers are stored.")
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s?#]+$",
        description="Where people reach this service, for links in citations; without it the address they asked.",
    )
    mcp_hosts: str | None = Field(
        default=None, description="Host headers that /mcp accepts, separated by commas; without it every one."
    )
    mcp_origins: str | None = Field(
        default=None,
        description="Origins of web pages that may call /mcp, separated by commas, beside public_url's own.",
    )
    request_max_mb: int = Field(
        default=8, ge=1, description="Larger bodies of requests other than uploads are refused, in MiB."
    )
    concurrent_requests: int = Field(
        default=64,
        ge=1,
        description="Requests that one process works on at once; a quarter is kept for interactive ones.",
    )
    waiting_requests: int = Field(default=256, ge=0, description="Requests that wait for their turn at most.")
    waiting_seconds: float = Field(default=10, gt=0, description="A request that waits longer is answered 503.")
    drain_seconds: float = Field(
        default=0,
        ge=0,
        description="Time between SIGTERM and the last new connection, in which a load balancer notices that the "
        "service is no longer ready.",
    )
    grace_seconds: int = Field(default=20, ge=1, description="Time that requests in flight have to finish after that.")
    host: str = Field(default="127.0.0.1", description="Address on which `ragstone serve` listens.")
    port: int = Field(
        default=8421, ge=0, le=65535, description="Port on which `ragstone serve` listens; 0 takes a free one."
    )


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
    file = Path(named) if named else Path(variables.get("home") or _default_home()) / "ragstone.toml"
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
