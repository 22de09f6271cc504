"""What somebody may hand to others: never more than they have."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ragstone.access.askers import principal_of_group, principal_of_user
from ragstone.domain import Asker, Priority, Scope, SpendingLimits
from ragstone.errors import InvalidRequestError, PermissionDeniedError

LONGEST_NAME = 255  # characters of the name of a tenant, a user, a group or a key


@dataclass(frozen=True, slots=True)
class KeyRights:
    """What a key may do, for whom, and for how long."""

    scopes: Collection[Scope]
    name: str = ""
    user: str | None = None  # None: it acts for the tenant itself
    priority: Priority = Priority.INTERACTIVE  # the best class that its requests may claim
    limits: SpendingLimits = field(default_factory=SpendingLimits)  # a tenant may have others beside them
    expires_at: datetime | None = None


def check_key(asker: Asker, rights: KeyRights) -> None:
    """Let a key be made, or pass on one that exists, only if its holder could do nothing that the asker cannot.

    Raises:
        PermissionDeniedError: It could.
    """
    if Scope.OPERATOR in rights.scopes and asker.key_id is not None:
        raise PermissionDeniedError(
            "Keys with the scope operator are made on the command line alone",
            remedy="Run `ragstone keys create --scopes operator` beside the database",
        )
    missing = sorted(set(rights.scopes) - asker.scopes)
    if missing:
        raise PermissionDeniedError(
            f"You cannot give away the scope {missing[0]}", why="you do not have it", remedy="Leave it out"
        )
    if rights.priority < asker.priority:
        raise PermissionDeniedError(
            f"You cannot give away the priority {rights.priority.name.lower()}",
            why=f"yours is {asker.priority.name.lower()}",
        )
    if not asker.reads_all:
        _check_reading(asker, rights)


def check_end(own: datetime | None, wanted: datetime | None) -> None:
    """Let a key last only as long as the key of who makes it or renews it; None is for ever.

    Raises:
        PermissionDeniedError: It would last longer.
    """
    if own is None or (wanted is not None and wanted <= own):
        return
    lasts = "never ends" if wanted is None else f"ends at {_in_words(wanted)}"
    raise PermissionDeniedError(
        f"You cannot give away a key that {lasts}",
        why=f"your own ends at {_in_words(own)}",
        remedy="Let it end by then, or use a key that lasts as long",
    )


def _in_words(time: datetime) -> str:
    """As `expires` takes it, and never later than it is."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _check_reading(asker: Asker, rights: KeyRights) -> None:
    if rights.user is None and Scope.ADMIN in rights.scopes:
        raise PermissionDeniedError(
            "You cannot make an administrator's key without a user",
            why="it would read every document, and you do not",
            remedy="Name yourself as its user, or ask for it with such a key",
        )
    # Who may act on behalf of anybody reads as anybody already.
    if (
        rights.user is not None
        and principal_of_user(rights.user) != asker.actor
        and Scope.IMPERSONATE not in asker.scopes
    ):
        raise PermissionDeniedError(
            f"You cannot make a key of {rights.user}",
            why="you would read what only they may",
            remedy="Ask for it with an administrator's key that has no user",
        )


def check_groups(asker: Asker, user: str, groups: Collection[str]) -> None:
    """Let a user's groups be set, unless somebody gives himself a group that he is not in.

    Raises:
        PermissionDeniedError: That is it.
    """
    if asker.reads_all or asker.actor != principal_of_user(user):
        return
    new = sorted(group for group in groups if principal_of_group(group) not in asker.readers)
    if new:
        raise PermissionDeniedError(
            f"You cannot put yourself into the group {new[0]}",
            why="you would read what only its members may",
            remedy="Let another administrator do it",
        )


def checked_name(name: str, noun: str, param: str | None = None) -> str:
    """The name without spaces around it.

    Raises:
        InvalidRequestError: It is empty, too long, or has characters that cannot be shown.
    """
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidRequestError(
            f"{name[:40]!r} is no name for a {noun}",
            remedy=f"Use 1 to {LONGEST_NAME} characters that can be shown",
            param=param,
        )
    return name
