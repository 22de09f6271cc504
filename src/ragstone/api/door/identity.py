"""Who asks: every request but the probes' shows a key or a token before anything else is looked at."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from ragstone.access.askers import machine, person
from ragstone.access.keys import PREFIX, digest
from ragstone.api import faults
from ragstone.api.door.header_text import header_text
from ragstone.bootstrap import House, Session
from ragstone.domain import Asker, Scope
from ragstone.errors import AuthenticationError, PermissionDeniedError, RagstoneError
from ragstone.storage.tenancy.keys import admit
from ragstone.storage.tenancy.people import groups_of
from ragstone.storage.tenancy.tenants import admit_tenant

# Asked by what keeps the service running, and by tools that want to know what can be asked at all.
OPEN = frozenset({"/livez", "/readyz", "/startupz", "/metrics", "/openapi.json"})
ON_BEHALF_OF = "x-ragstone-on-behalf-of"

_NO_CREDENTIALS = AuthenticationError(
    "No key was shown", remedy="Send the header `Authorization: Bearer` with an API key or a token"
)


class Identify:
    """Puts the asker into `request.state.asker`, or answers 401 itself: no route can forget to ask."""

    def __init__(self, app: ASGIApp, *, house: House) -> None:
        """Look keys up in the house's database and check tokens with its issuers."""
        self._app = app
        self._house = house

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Pass a request on whose asker is known."""
        if scope["type"] == "http" and scope["path"] not in OPEN:
            request = Request(scope)
            try:
                asker = await self._asker(request.headers)
            except RagstoneError as error:
                await faults.answer_for(error)(scope, receive, send)
                return
            request.state.asker = replace(asker, request=request.state.id)
            request.state.priority = asker.priority
        await self._app(scope, receive, send)

    async def _asker(self, headers: Headers) -> Asker:
        kind, _, shown = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not shown.strip():
            raise _NO_CREDENTIALS
        shown = shown.strip()
        asker = await (self._of_key(shown) if shown.startswith(PREFIX) else self._of_token(shown))
        named = headers.get(ON_BEHALF_OF)
        return asker if named is None else await self._on_behalf_of(asker, named)

    async def _of_key(self, shown: str) -> Asker:
        admission = await admit(self._house.database, digest(shown))
        if admission is None:
            raise AuthenticationError(
                "This key opens nothing",
                why="it is unknown, expired or revoked",
                remedy="`ragstone keys create` makes another",
            )
        if admission.reached is not None:
            raise admission.reached.refusal()
        return admission.asker

    async def _of_token(self, shown: str) -> Asker:
        if self._house.issuers is None:
            raise AuthenticationError("This key opens nothing", remedy="API keys begin with rs-")
        claims = await self._house.issuers.verify(shown)
        admitted = await admit_tenant(self._house.database, claims.tenant)
        if admitted is None:
            raise AuthenticationError("The token names no tenant of this installation")
        tenant, reached = admitted
        if reached is not None:
            raise reached.refusal()
        return person(tenant, claims.user, claims.groups, claims.scopes)

    async def _on_behalf_of(self, asker: Asker, named: str) -> Asker:
        if Scope.IMPERSONATE not in asker.scopes:
            raise PermissionDeniedError(
                "This key may not act for others", remedy="Use a key with the scope impersonate"
            )
        user = header_text(ON_BEHALF_OF, named)
        if not user:
            raise PermissionDeniedError(f"The header {ON_BEHALF_OF} names nobody", remedy="Give the user's name")
        # Only what the key may do for anybody: it does not hand its own rights over the tenant to a user.
        scopes = asker.scopes & {Scope.READ, Scope.WRITE}
        bare = machine(asker.tenant, scopes, key_id=asker.key_id, priority=asker.priority)
        groups = await groups_of(self._house.database, bare, user)
        return person(asker.tenant, user, groups, scopes, key_id=asker.key_id, priority=asker.priority)


# Declared for the description of the interface; the check itself is made above, before any route.
_bearer = HTTPBearer(auto_error=False, description="An API key (rs-...) or a token of a configured OpenID issuer.")


class May:
    """What a route asks of its caller: a scope, or one of several. Gives the route the caller's session."""

    def __init__(self, *scopes: Scope) -> None:
        """Ask for one of these scopes."""
        self.scopes = scopes

    def __call__(self, request: Request, _: Annotated[object, Security(_bearer)] = None) -> Session:
        """The caller's session.

        Raises:
            PermissionDeniedError: The key has none of the scopes.
        """
        asker: Asker = request.state.asker
        if asker.scopes.isdisjoint(self.scopes):
            wanted = " or ".join(self.scopes)
            raise PermissionDeniedError(f"This key lacks the scope {wanted}", remedy=f"Use one with the scope {wanted}")
        house: House = request.app.state.house
        return house.session(asker)


Reading = Annotated[Session, Depends(May(Scope.READ))]
Writing = Annotated[Session, Depends(May(Scope.WRITE))]
Administering = Annotated[Session, Depends(May(Scope.ADMIN))]
Operating = Annotated[Session, Depends(May(Scope.OPERATOR))]
Overseeing = Annotated[Session, Depends(May(Scope.ADMIN, Scope.OPERATOR))]
