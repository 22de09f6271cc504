"""The house itself, as somebody who asks."""

from __future__ import annotations

from ragstone.domain import Asker, Scope, Tenant

TENANT = "default"  # for whom commands act when none is named
COMMAND_LINE = "command line"  # their name in the audit log


def everything(tenant: Tenant, actor: str) -> Asker:
    """An asker of the house itself, from whom a tenant hides nothing."""
    return Asker(tenant, actor, reads_all=True, scopes=frozenset(Scope))


def operator() -> Asker:
    """The command line as the installation's operator."""
    from ragstone.storage.tenancy.audit import INSTALLATION

    return everything(INSTALLATION, COMMAND_LINE)
