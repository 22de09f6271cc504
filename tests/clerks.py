"""The service in this process, its callers, and a worker that is done at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import httpx
from contract.samples import MODEL, Piece, document, indexed, one_by_one

from ragstone.access.grants import KeyRights
from ragstone.access.keys import new_key
from ragstone.api.app import create_app
from ragstone.api.door.drain import Drain
from ragstone.bootstrap import House, everything
from ragstone.domain import Asker, Scope, Tenant
from ragstone.fakes.models import HashingEmbedder
from ragstone.models.minilm.embedder import MiniLM
from ragstone.settings import Settings
from ragstone.storage.database import Database
from ragstone.storage.tenancy.keys import add_key
from ragstone.storage.tenancy.people import put_user
from ragstone.storage.work.assignments import assignment, fulfil
from ragstone.storage.work.queue import Claim, Kind

GRANITE = [Piece("granite is hard", angle=10), Piece("marble is soft", angle=30)]


class HashingHouse(House):
    """A house that needs no model; its embedder has the name of the model of the contract tests."""

    @cached_property
    def embedder(self) -> MiniLM:
        return cast("MiniLM", HashingEmbedder(MODEL.dimension, MODEL.name))


@dataclass(frozen=True)
class Office:
    """A tenant with its service and its users."""

    database: Database
    tenant: Tenant
    settings: Settings = Settings()  # noqa: RUF009  frozen

    @property
    def all_seeing(self) -> Asker:
        return everything(self.tenant, "test")

    @asynccontextmanager
    async def caller(
        self, user: str | None = None, groups: Sequence[str] = (), scopes: Sequence[Scope] = (Scope.READ, Scope.WRITE)
    ) -> AsyncIterator[httpx.AsyncClient]:
        """A client with a key of this user, who is in these groups; without a user, one of the tenant."""
        key = new_key()
        if user is not None:
            await put_user(self.database, self.all_seeing, user, groups)
        await add_key(self.database, self.all_seeing, key, KeyRights(frozenset(scopes), user=user))
        app = create_app(HashingHouse(self.settings, self.database), Drain())
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://service/v1",
            headers={"authorization": f"Bearer {key.text}"},
        ) as client:
            yield client

    async def finish(self, store_id: str, file_id: str, pieces: Sequence[Piece] = ()) -> None:
        """What a worker does with an attached file, with these chunks."""
        taken = await self.rows(
            "INSERT INTO task (tenant_id, kind, subject_id, state, attempt, worker, lease_until)"
            " SELECT d.tenant_id, 'ingest', d.id, 'running', 1, 'clerk', now() + interval '1 minute'"
            " FROM document d JOIN store s ON s.id = d.store_id WHERE s.public_id = %s AND d.public_id = %s"
            " FOR KEY SHARE OF d ON CONFLICT (tenant_id, kind, subject_id) DO UPDATE"
            " SET state = 'running', attempt = task.attempt + 1, worker = 'clerk', lease_until = EXCLUDED.lease_until"
            " RETURNING id, subject_id, attempt",
            *(store_id, file_id),
        )
        for task, subject, attempt in cast("list[tuple[int, int, int]]", taken):
            claim = Claim(self.tenant, task, Kind.INGEST, subject, attempt, 0, "clerk")
            wanted = await assignment(self.database, claim)
            content = document(file_id, pieces or GRANITE)
            await fulfil(self.database, claim, wanted, content, one_by_one(indexed(pieces or GRANITE)))

    async def fail(self, file_id: str, code: str = "unsupported_file", message: str = "it is a picture") -> None:
        """The same for a file that cannot be read."""
        await self.rows(
            "UPDATE document SET status = 'failed', error_code = %s, error_message = %s WHERE public_id = %s"
            " RETURNING id",
            *(code, message, file_id),
        )
        await self.rows("DELETE FROM task RETURNING id")

    async def rows(self, query: str, *parameters: object, asker: Asker | None = None) -> list[tuple[object, ...]]:
        """What a query finds, for somebody who reads everything if nobody else is named."""
        async with self.database.transaction(asker or self.all_seeing) as connection:
            cursor = await connection.execute(query.encode(), parameters)
            return await cursor.fetchall()

    async def count(self, table: str) -> int:
        """Rows of the tenant in a table."""
        return cast("int", (await self.rows(f"SELECT count(*) FROM {table}"))[0][0])

    async def everything_else(self) -> Mapping[str, int]:
        """How many rows there are in the tables with contents, where there are any."""
        tables = ("store", "document", "document_version", "chunk", "posting", "segment", "tombstone", "file_batch")
        model = (await self.rows("SELECT id FROM embedding_model WHERE name = %s", MODEL.name))[0][0]
        names = (*tables, "file_batch_item", "task", f"embedding_{model}")
        return {name: found for name in names if (found := await self.count(name))}


async def upload(client: httpx.AsyncClient, content: bytes = b"text", name: str = "a.txt", **fields: Any) -> str:
    """The id of a file that was just uploaded."""
    data = {"purpose": "assistants", **fields}
    answer = await client.post("/files", data=data, files={"file": (name, content)})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


async def make_store(client: httpx.AsyncClient, **fields: Any) -> str:
    """The id of a store that was just made."""
    answer = await client.post("/vector_stores", json=fields)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


async def get(client: httpx.AsyncClient, path: str, **parameters: Any) -> Any:
    """What a route answers."""
    answer = await client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def post(client: httpx.AsyncClient, path: str, **body: Any) -> Any:
    """What a route answers."""
    answer = await client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def refusal(answer: Any, status: int = 400) -> dict[str, Any]:
    """The error of an answer with this status."""
    answer = await answer
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    return error
