"""One shape for every error: OpenAI's, with what to do next in the message."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ragstone.errors import DatabaseUnavailableError, InvalidQuestionError, RagstoneError, StoreNotFoundError

_log = logging.getLogger(__name__)

# By class, the first that fits: status, OpenAI's type, code.
_KINDS: tuple[tuple[type[RagstoneError], int, str, str], ...] = (
    (StoreNotFoundError, 404, "invalid_request_error", "not_found"),
    (InvalidQuestionError, 400, "invalid_request_error", "invalid_value"),
    (DatabaseUnavailableError, 503, "server_error", "database_unavailable"),
    (RagstoneError, 500, "server_error", "internal_error"),
)


def install(app: FastAPI) -> None:
    """Let every error of the application leave in this shape."""
    app.add_exception_handler(RagstoneError, _ragstone_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unforeseen)


def fault(status: int, kind: str, message: str, *, param: str | None = None, code: str | None = None) -> JSONResponse:
    """An error answer."""
    error = {"message": message, "type": kind, "param": param, "code": code}
    # The database is back within seconds, or it takes a person.
    headers = {"retry-after": "2"} if status == 503 else None  # noqa: PLR2004
    return JSONResponse({"error": error}, status, headers)


async def _ragstone_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RagstoneError)
    status, kind, code = next((s, t, c) for cls, s, t, c in _KINDS if isinstance(error, cls))
    if status >= 500:  # noqa: PLR2004
        _log.error("%s", error)
    return fault(status, kind, str(error), code=code)


async def _validation_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    param = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path")) or None
    message = "The body is no valid JSON" if first["type"] == "json_invalid" else first["msg"]
    where = f"{param}: " if param else ""
    return fault(400, "invalid_request_error", f"{where}{message}", param=param, code="invalid_value")


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:  # noqa: PLR2004
        message = f"There is no route {request.method} {request.url.path}"
        return fault(404, "invalid_request_error", message, code="unknown_url")
    answer = fault(error.status_code, "invalid_request_error", str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


async def _unforeseen(request: Request, error: Exception) -> JSONResponse:
    identity = getattr(request.state, "id", "unknown")
    _log.error("request %s failed", identity, exc_info=error)
    answer = fault(500, "server_error", f"The service failed; its log says why under {identity}", code="internal_error")
    answer.headers["x-request-id"] = identity
    return answer
