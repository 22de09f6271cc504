"""One shape for every error: OpenAI's, with what to do next in the message."""

from __future__ import annotations

import logging
from math import ceil

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from ragstone.api.door.methods import allowed
from ragstone.errors import (
    AuthenticationError,
    ConflictError,
    ContentNotKeptError,
    DatabaseUnavailableError,
    DrainingError,
    InvalidRequestError,
    IssuerUnavailableError,
    ModelNotFoundError,
    ModelUnavailableError,
    NotFoundError,
    ObjectsUnavailableError,
    PermissionDeniedError,
    PromptRefusedError,
    PromptTooLongError,
    RagstoneError,
    RateLimitedError,
    StoreExpiredError,
    TenantMovingError,
    UnsupportedMediaTypeError,
)

_LONGEST = 1000  # characters of a message
_log = logging.getLogger(__name__)

# By class, the first that fits: status, OpenAI's type, code.
_KINDS: tuple[tuple[type[RagstoneError], int, str, str], ...] = (
    (AuthenticationError, 401, "invalid_request_error", "invalid_api_key"),
    (PermissionDeniedError, 403, "invalid_request_error", "insufficient_scope"),
    (RateLimitedError, 429, "rate_limit_error", "rate_limit_exceeded"),
    (ModelNotFoundError, 404, "invalid_request_error", "model_not_found"),
    (NotFoundError, 404, "invalid_request_error", "not_found"),
    (ConflictError, 409, "invalid_request_error", "conflict"),
    (UnsupportedMediaTypeError, 415, "invalid_request_error", "unsupported_media_type"),
    (StoreExpiredError, 400, "invalid_request_error", "vector_store_expired"),
    (ContentNotKeptError, 400, "invalid_request_error", "content_not_kept"),
    (InvalidRequestError, 400, "invalid_request_error", "invalid_value"),
    (PromptTooLongError, 400, "invalid_request_error", "context_length_exceeded"),
    (PromptRefusedError, 400, "invalid_request_error", "refused_by_model"),
    (DrainingError, 503, "server_error", "draining"),
    (TenantMovingError, 503, "server_error", "tenant_moving"),
    (DatabaseUnavailableError, 503, "server_error", "database_unavailable"),
    (IssuerUnavailableError, 503, "server_error", "issuer_unavailable"),
    (ObjectsUnavailableError, 503, "server_error", "files_unavailable"),
    (ModelUnavailableError, 503, "server_error", "model_unavailable"),
    (RagstoneError, 500, "server_error", "internal_error"),
)


def install(app: FastAPI) -> None:
    """Let every error of the application leave in this shape."""
    app.add_exception_handler(RagstoneError, _ragstone_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unforeseen)


def fault(
    status: int,
    kind: str,
    message: str,
    *,
    param: str | None = None,
    code: str | None = None,
    retry_after: int | None = None,
) -> JSONResponse:
    """An error answer; `retry_after` in seconds."""
    error = {"message": _cut(message), "type": kind, "param": param and _cut(param), "code": code}
    if retry_after is None and status == 503:  # noqa: PLR2004
        retry_after = 2  # The database is back within seconds, or it takes a person.
    headers = None if retry_after is None else {"retry-after": str(retry_after)}
    return JSONResponse({"error": error}, status, headers)


def _cut(text: str) -> str:
    """What a client sent comes back to it, but not by the kilobyte."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


async def _ragstone_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RagstoneError)
    return answer_for(error)


def answer_for(error: RagstoneError) -> JSONResponse:
    """The answer that says what happened, why, and what to do next."""
    status, kind, code = next((s, t, c) for cls, s, t, c in _KINDS if isinstance(error, cls))
    if status >= 500:  # noqa: PLR2004
        _log.error("%s", error)
    param = error.param if isinstance(error, InvalidRequestError) else None
    answer = fault(status, kind, str(error), param=param, code=code, retry_after=_retry_after(error))
    if status == 401:  # noqa: PLR2004
        answer.headers["www-authenticate"] = "Bearer"
    return answer


def _retry_after(error: RagstoneError) -> int | None:
    """Seconds after which it is worth trying again, where that is known."""
    if isinstance(error, RateLimitedError | ModelUnavailableError) and error.retry_after is not None:
        return ceil(error.retry_after)
    return None


async def _validation_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    if isinstance(error.body, bytes):  # what says of itself that it is JSON has been parsed
        message = "This route reads JSON. Send the body with the header `Content-Type: application/json`"
        return fault(415, "invalid_request_error", message, code="unsupported_media_type")
    first = error.errors()[0]
    param = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path")) or None
    message = "The body is no valid JSON" if first["type"] == "json_invalid" else first["msg"]
    where = f"{param}: " if param else ""
    return fault(400, "invalid_request_error", f"{where}{message}", param=param, code="invalid_value")


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:  # noqa: PLR2004
        message = f"There is no route {request.method} {request.url.path}"
        return fault(404, "invalid_request_error", message, code="unknown_url")
    if error.status_code == 405:  # noqa: PLR2004
        return _other_methods(request)
    answer = fault(error.status_code, "invalid_request_error", str(error.detail), code="invalid_request")
    answer.headers.update(error.headers or {})
    return answer


def _other_methods(request: Request) -> Response:
    path = request.url.path
    headers = {"allow": allowed(request.app, path)}
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=headers)
    message = f"{path} knows no {request.method}. It knows {headers['allow']}"
    answer = fault(405, "invalid_request_error", message, code="method_not_allowed")
    answer.headers.update(headers)
    return answer


async def _unforeseen(request: Request, error: Exception) -> JSONResponse:
    identity = getattr(request.state, "id", "unknown")
    _log.error("request %s failed", identity, exc_info=error)
    answer = fault(500, "server_error", f"The service failed; its log says why under {identity}", code="internal_error")
    answer.headers["x-request-id"] = identity
    return answer
