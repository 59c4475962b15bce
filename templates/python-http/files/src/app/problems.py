"""Every error leaves as application/problem+json (RFC 9457), whoever noticed it."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from app import telemetry

MEDIA_TYPE = "application/problem+json"

# For the OpenAPI document: what any route may answer when it goes wrong.
RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "What went wrong",
        "content": {
            MEDIA_TYPE: {
                "schema": {
                    "type": "object",
                    "required": ["type", "title", "status"],
                    "properties": {
                        "type": {"type": "string"},
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "detail": {"type": "string"},
                        "instance": {"type": "string"},
                        "trace_id": {"type": "string"},
                    },
                }
            }
        },
    }
}


def problem(
    status: int,
    detail: str | None,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> JSONResponse:
    """One problem document. `detail` is for the caller: never put an exception's text in it."""
    try:
        title = HTTPStatus(status).phrase
    except ValueError:
        title = "Error"
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status}
    if detail and detail != title:
        body["detail"] = detail
    body["instance"] = path
    body["trace_id"] = telemetry.current().trace_id
    body.update(more)
    return JSONResponse(body, status_code=status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


async def _http(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    return problem(error.status_code, str(error.detail), request.url.path, headers=error.headers)


async def _validation(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    # The value that was sent is left out: it may be something that must not be repeated.
    errors = [{"at": ".".join(str(part) for part in e["loc"]), "message": e["msg"]} for e in error.errors()]
    return problem(422, "the request does not have the expected form", request.url.path, errors=errors)


async def _unhandled(request: Request, error: Exception) -> JSONResponse:
    # The error itself goes on to the telemetry layer, which logs it with its traceback.
    return problem(500, "the service failed; the log has the details under this trace_id", request.url.path)


def install(api: FastAPI) -> None:
    """Replace the framework's own error bodies."""
    api.add_exception_handler(HTTPException, _http)
    api.add_exception_handler(RequestValidationError, _validation)
    api.add_exception_handler(Exception, _unhandled)
