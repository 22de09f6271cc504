"""What follows from who asks: the name in the audit log, and what of the documents can be seen."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ragstone.domain import Asker, Priority, Scope, Tenant

PRINCIPAL = r"^(user|group):[^\x00-\x1f\x7f]+$"  # how somebody stands among a document's readers


def person(
    tenant: Tenant,
    user: str,
    groups: Iterable[str],
    scopes: frozenset[Scope],
    *,
    key_id: str | None = None,
    priority: Priority = Priority.INTERACTIVE,
) -> Asker:
    """Somebody who reads what is meant for everybody, for them, or for one of their groups, whatever their scopes."""
    principals = {principal_of_user(user), *map(principal_of_group, groups)}
    return Asker(
        tenant,
        principal_of_user(user),
        readers=tuple(sorted(principals)),
        scopes=scopes,
        key_id=key_id,
        priority=priority,
    )


def machine(
    tenant: Tenant, scopes: frozenset[Scope], *, key_id: str | None = None, priority: Priority = Priority.INTERACTIVE
) -> Asker:
    """A key that stands for no person: with the scope admin it reads every document, else what is meant for all."""
    administers = Scope.ADMIN in scopes
    return Asker(
        tenant,
        "admin" if administers else "service",
        reads_all=administers,
        scopes=scopes,
        key_id=key_id,
        priority=priority,
    )


def principal_of_user(name: str) -> str:
    """How a user stands among a document's readers."""
    return f"user:{name}"


def principal_of_group(name: str) -> str:
    """How a group stands among a document's readers."""
    return f"group:{name}"


def is_principal(text: str) -> bool:
    """Whether this can stand among a document's readers."""
    return re.fullmatch(PRINCIPAL, text) is not None
