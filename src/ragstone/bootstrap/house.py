"""Everything that is open, and how it is opened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ragstone.bootstrap.askers import COMMAND_LINE, TENANT, everything
from ragstone.bootstrap.database import open_database
from ragstone.bootstrap.models import embedder, model_pool, tokenizer
from ragstone.bootstrap.session import Session
from ragstone.domain import Asker, Scope
from ragstone.errors import NotFoundError, SettingsError
from ragstone.settings import Settings

if TYPE_CHECKING:
    from ragstone.access.issuers import Issuers
    from ragstone.flows.kit import Kit
    from ragstone.models.minilm.embedder import MiniLM
    from ragstone.models.minilm.wordpieces import WordPieces
    from ragstone.models.pool import ModelPool
    from ragstone.models.protocols.embedder import EndpointEmbedder
    from ragstone.ports import Embedder, Meter, Objects
    from ragstone.prompts import Prompts
    from ragstone.storage.database import Database
    from ragstone.storage.databases import Databases


@dataclass(frozen=True)
class House:
    """Everything that is open."""

    settings: Settings
    database: Database
    issuers: Issuers | None = None  # of tokens, if any are configured

    @cached_property
    def databases(self) -> Databases:
        """With those that tenants have to themselves, which are opened when they are needed."""
        from ragstone.storage.databases import Databases

        given = self.settings
        return Databases(self.database, given.databases, admin_urls=given.databases_admin, size=given.database_pool)

    def session(self, asker: Asker) -> Session:
        """What this asker can reach.

        Raises:
            DatabaseUnavailableError: The tenant's own database is not in the settings.
        """
        return Session(self.databases.of(asker.tenant), asker, self.bucket)

    @cached_property
    def bucket(self) -> Objects | None:
        """Of the settings, if they name one.

        Raises:
            SettingsError: It does not fit, or ragstone[s3] is not installed.
        """
        return _bucket(self.settings) if self.settings.objects_url else None

    async def first_key(self) -> str | None:
        """A key with every scope if there is none at all yet; None if there is one."""
        from ragstone.access.grants import KeyRights
        from ragstone.access.keys import new_key
        from ragstone.storage.tenancy.keys import add_key, any_key

        if await any_key(self.database):
            return None
        key = new_key()
        await add_key(self.database, await self.own_asker(TENANT), key, KeyRights(frozenset(Scope), name="first key"))
        return key.text

    async def has_authentication(self) -> bool:
        """Whether anybody could show a key or a token that opens."""
        from ragstone.storage.tenancy.keys import any_key

        return bool(self.settings.oidc) or await any_key(self.database)

    async def own_asker(self, tenant: str) -> Asker:
        """The command line, from which this tenant hides nothing; the tenant `default` is made if there is none.

        Raises:
            NotFoundError: There is no such tenant.
        """
        from ragstone.storage.tenancy.tenants import find_tenant

        if tenant == TENANT:
            return everything(await self.database.tenant(tenant, COMMAND_LINE), COMMAND_LINE)
        found = await find_tenant(self.database, tenant)
        if found is None:
            raise NotFoundError(f"There is no tenant {tenant}", remedy=f"`ragstone tenants create {tenant}` makes it")
        return everything(found, COMMAND_LINE)

    async def own_session(self) -> Session:
        """What commands can reach: all of the tenant of the settings.

        Raises:
            NotFoundError: There is no such tenant.
        """
        return self.session(await self.own_asker(self.settings.tenant))

    async def remove_expired(self, database: Database) -> None:
        """Remove uploads that broke off, and files and stores whose time is over, of all tenants of a database.

        Raises:
            DatabaseError: The database cannot be reached.
        """
        from ragstone.storage.catalog.expiry import remove_all_expired

        await remove_all_expired(database, lambda database, asker: Session(database, asker, self.bucket).places)

    @cached_property
    def embedder(self) -> MiniLM | EndpointEmbedder:
        """For questions; loaded when it is first asked for, because `status` and `ingest` never do."""
        name = self.settings.embedding_model
        return embedder(self.settings.query_threads) if name is None else self.pool.embedder(name)

    @cached_property
    def passage_embedder(self) -> MiniLM | EndpointEmbedder:
        """For documents."""
        name = self.settings.embedding_model
        return embedder(self.settings.embedder_threads) if name is None else self.pool.embedder(name).patient()

    @cached_property
    def pool(self) -> ModelPool:
        """The model servers of the settings, if there are any; their file is read again when it changes.

        Raises:
            SettingsError: The file does not fit.
        """
        return model_pool(self.settings)

    @cached_property
    def prompts(self) -> Prompts:
        """What language models are told.

        Raises:
            TemplateError: The folder of the settings has a malformed one.
        """
        from ragstone.prompts import Prompts

        return Prompts(self.settings.prompts_folder)

    def meter(self, asker: Asker) -> Meter:
        """What this asker may spend."""
        from ragstone.storage.tenancy.spending import PostgresMeter

        return PostgresMeter(self.database, asker)

    def kit(self, session: Session) -> Kit:
        """What answers this session's asker.

        Raises:
            SettingsError: The models or the prompts of the settings do not fit.
        """
        from ragstone.domain import AnswerOptions
        from ragstone.flows.kit import Kit

        given, llm = self.settings, self.pool.llm
        return Kit(
            index=session.index,
            embedder=self.remembering(session, self.embedder),
            tokenizer=self.tokenizer,
            llm=llm,
            reranker=None if given.rerank_model is None else self.pool.reranker(given.rerank_model),
            cache=session.remembered(given.cache_hours, given.cache_similarity) if given.cache_answers else None,
            meter=None if llm is None else self.meter(session.asker),
            prompts=self.prompts,
            defaults=AnswerOptions(
                given.answer_strategy,
                given.answer_rewriting,
                given.answer_unsupported,
                max_tokens=given.answer_max_tokens,
            ),
            seconds=given.answer_seconds,
            candidates=given.rerank_candidates,
            similarity=given.cache_similarity,
        )

    @cached_property
    def tokenizer(self) -> WordPieces:
        """How texts are measured for a model's window."""
        return tokenizer()

    def remembering(self, session: Session, embedder: Embedder) -> Embedder:
        """The same embedder; one behind a network is asked only for what this session's tenant has not had lately."""
        if self.settings.embedding_model is None:
            return embedder
        from ragstone.storage.answers.vectors import RememberingEmbedder

        return RememberingEmbedder(embedder, session.database, session.asker, hours=self.settings.cache_hours)

    async def close_models(self) -> None:
        """End the connections to model servers."""
        if "pool" in self.__dict__:
            await self.pool.close()


@asynccontextmanager
async def open_house(settings: Settings) -> AsyncIterator[House]:
    """Start or reach the database and bring it to this release's schema.

    Raises:
        DatabaseError: The server cannot be started or reached, or does not suit.
    """
    async with AsyncExitStack() as stack:
        issuers = None
        if settings.oidc:
            issuers = _issuers(settings)
            stack.push_async_callback(issuers.close)
        database = await stack.enter_async_context(open_database(settings))
        house = House(settings, database, issuers)
        stack.push_async_callback(house.databases.close)
        stack.push_async_callback(house.close_models)
        yield house


def _issuers(settings: Settings) -> Issuers:
    from ragstone.access.config import IssuerConfig
    from ragstone.access.issuers import Issuers

    return Issuers([IssuerConfig(**issuer.model_dump()) for issuer in settings.oidc])


def _bucket(settings: Settings) -> Objects:
    try:
        from ragstone.storage.objects.bucket import Bucket, BucketObjects
    except ModuleNotFoundError:
        raise SettingsError(
            "Uploaded files cannot lie in a bucket",
            why="what speaks to buckets is not installed",
            remedy="pip install 'ragstone[s3]', or unset RAGSTONE_OBJECTS_URL",
        ) from None
    assert settings.objects_url is not None
    return BucketObjects(
        Bucket(
            settings.objects_url,
            endpoint=settings.objects_endpoint,
            region=settings.objects_region,
            credentials_file=settings.objects_credentials_file,
            path_style=settings.objects_path_style,
        )
    )
