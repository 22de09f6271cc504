"""Every setting with its default and what it is for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ragstone.domain import Rewriting, Scope, Strategy, Unsupported


def default_home() -> Path:
    """Where data lies when nothing else is said."""
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

    home: Path = Field(default_factory=default_home, description="Data folder of the embedded database.")
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
    models_file: Path | None = Field(
        default=None,
        description="TOML file of the models that answer, embed and rerank, read again when it changes; without it "
        "models.toml in the data folder, if there is one.",
    )
    llm_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s?#@]+$",
        description="Address of an OpenAI-compatible model server that answers, such as http://127.0.0.1:11434/v1: a "
        "models_file in one line.",
    )
    llm_model: str | None = Field(default=None, description="Name of the model there; without it the only one it has.")
    llm_key_file: Path | None = Field(default=None, description="File with the key for it, read again when it changes.")
    embedding_model: str | None = Field(
        default=None,
        description="Model of the models_file that embeds; without it the local one does.",
    )
    rerank_model: str | None = Field(
        default=None,
        description="Model of the models_file that reranks; without it nothing is reranked.",
    )
    rerank_candidates: int = Field(default=30, ge=1, le=200, description="Passages that are reranked for a question.")
    prompts_folder: Path | None = Field(
        default=None, description="Folder of own prompt templates; those that it lacks are the built-in ones."
    )
    answer_strategy: Strategy = Field(
        default=Strategy.DIRECT,
        description="How a language model comes to its answer, where a request and its store are silent.",
    )
    answer_rewriting: Rewriting = Field(
        default=Rewriting.CONDENSE,
        description="How questions are rewritten for the search, where a request and its store are silent.",
    )
    answer_unsupported: Unsupported = Field(
        default=Unsupported.MARK, description="What becomes of sentences that no passage supports."
    )
    answer_seconds: float = Field(
        default=60, gt=0, description="Time for an answer; when it is over, the documents answer in their own words."
    )
    answer_max_tokens: int = Field(default=1024, ge=16, description="Length of an answer, in tokens of its model.")
    cache_answers: bool = Field(
        default=True,
        description="Answer a question again with what was answered before, while its stores do not change.",
    )
    cache_similarity: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Cosine from which two questions count as the same for the cache; without it only equal ones do.",
    )
    cache_hours: float = Field(default=24, gt=0, description="Hours for which cached answers and embeddings are kept.")
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
