"""Everything that can go wrong and be said: what happened, why, and what to do next.

Knows neither HTTP nor exit codes; the edges translate the classes.
"""

from __future__ import annotations


class RagstoneError(Exception):
    """An error with its remedy."""

    def __init__(self, what: str, *, why: str = "", remedy: str = "") -> None:
        """Say what happened, and where they are known why and what to do next."""
        super().__init__(what)
        self.what = what
        self.why = why
        self.remedy = remedy

    def __str__(self) -> str:
        """One line: what, why, remedy."""
        line = f"{self.what}: {self.why}" if self.why else self.what
        return f"{line}. {self.remedy}" if self.remedy else line

    def __reduce__(self) -> tuple[object, ...]:
        """Readers run in a process of their own, so errors travel between processes."""
        return _revive, (type(self), self.what, self.why, self.remedy)


def _revive(kind: type[RagstoneError], what: str, why: str, remedy: str) -> RagstoneError:
    return kind(what, why=why, remedy=remedy)


class SettingsError(RagstoneError):
    """A setting is unknown or its value does not fit."""


class UnreadableFileError(RagstoneError):
    """A file cannot be turned into text; the others go on."""


class FileSkippedError(UnreadableFileError):
    """A file of a kind that is not read at all, such as a picture."""


class AuthenticationError(RagstoneError):
    """Credentials are missing, malformed, expired, or of nobody that is known here; the message never repeats them."""


class PermissionDeniedError(RagstoneError):
    """It is known who asks, and it is not allowed to them."""


class IssuerUnavailableError(RagstoneError):
    """The keys of an OpenID Connect issuer cannot be had, so its tokens cannot be checked."""


class RateLimitedError(RagstoneError):
    """A limit is used up for now."""

    def __init__(self, what: str, *, why: str = "", remedy: str = "", retry_after: int = 1) -> None:
        """Say also after how many seconds it is worth trying again."""
        super().__init__(what, why=why, remedy=remedy)
        self.retry_after = retry_after


class DrainingError(RagstoneError):
    """The process ends before the request is done."""


class InvalidRequestError(RagstoneError):
    """What was asked for cannot be done as it was asked."""

    def __init__(self, what: str, *, why: str = "", remedy: str = "", param: str | None = None) -> None:
        """Say also which parameter it is about, if it is about one."""
        super().__init__(what, why=why, remedy=remedy)
        self.param = param


class UnsupportedMediaTypeError(InvalidRequestError):
    """The body is of a kind that is not read here."""


class StoreExpiredError(InvalidRequestError):
    """The store has reached the end that was set for it; what it held is gone or about to go."""


class ContentNotKeptError(InvalidRequestError):
    """The bytes of this file stayed where it was ingested from; only its text is stored."""


class ConflictError(RagstoneError):
    """What was asked for does not fit what is there now."""


class ConcurrentChangeError(ConflictError):
    """Somebody else wrote at the same moment what excludes this, or removed what it belongs to."""


class NotFoundError(RagstoneError):
    """There is nothing of that name or id that the asker may see."""


class StoreNotFoundError(NotFoundError):
    """No store of that name or id in this tenant."""


class ModelNotFoundError(NotFoundError):
    """No model of that name does what is asked of it."""


class DatabaseError(RagstoneError):
    """The database cannot do what is asked of it."""


class DatabaseUnavailableError(DatabaseError):
    """The database cannot be reached, refuses, or went away."""


class TenantMovingError(DatabaseUnavailableError):
    """The tenant is being moved or removed, or has been moved since it was asked for: trying again helps."""


class DatabaseUnsuitableError(DatabaseError):
    """The server or its extension is too old, or a privilege is missing."""


class DiskFullError(DatabaseError):
    """No space left for what has to be written."""


class ClaimLostError(RagstoneError):
    """A task was cancelled, or taken from its worker: whatever it had done so far must not be written."""


class ObjectsUnavailableError(RagstoneError):
    """The place of uploaded files cannot be reached, refuses, or went away."""


class ObjectNotFoundError(RagstoneError):
    """The bytes of a file are not, or no longer, where they should be."""


class ModelError(RagstoneError):
    """The embedding model is missing or not the expected one."""


class ModelUnavailableError(RagstoneError):
    """No model that could do it can be reached or may be asked now."""

    def __init__(self, what: str, *, why: str = "", remedy: str = "", retry_after: float | None = None) -> None:
        """Say also after how many seconds it is worth trying again, if that is known."""
        super().__init__(what, why=why, remedy=remedy)
        self.retry_after = retry_after


class ModelBrokeOffError(ModelUnavailableError):
    """A model fell silent in the middle of its answer."""


class PromptTooLongError(RagstoneError):
    """What a model is to read does not fit into its window."""


class PromptRefusedError(RagstoneError):
    """A model's server does not take the request as it is; another attempt would not help."""


class TemplateError(RagstoneError):
    """A prompt template is missing or malformed."""


class InvalidQuestionError(InvalidRequestError):
    """The question cannot be searched: empty, too long, or its filter is malformed."""
