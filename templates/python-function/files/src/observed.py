"""JSON logs with the ids of the trace and of the invocation they belong to."""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_XRAY = re.compile(r"Root=1-([0-9a-f]{8})-([0-9a-f]{24})")

# One invocation at a time for each process, so plain variables are enough.
_ids: dict[str, str] = {"trace_id": "", "span_id": "", "request_id": ""}

_COMMON = {
    "service": os.environ.get("SQUAD_SERVICE") or os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "unknown"),
    "env": os.environ.get("SQUAD_ENV", "unknown"),
    "version": os.environ.get("SQUAD_REVISION") or os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "unknown"),
}


class JsonFormatter(logging.Formatter):
    """One line of JSON for each record; what is passed as `extra={"fields": {...}}` is added."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **_COMMON,
            **_ids,
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            line.update(fields)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def _logger() -> logging.Logger:
    level = os.environ.get("LOG_LEVEL", "info").upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise SystemExit(f"configuration: LOG_LEVEL is {level!r}: it must be debug, info, warning or error")
    logger = logging.getLogger("function")
    logger.propagate = False  # the runtime's own handler would write each line a second time
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(JsonFormatter())
        logger.addHandler(handler)
    logger.setLevel(level)
    return logger


log = _logger()


def trace_id() -> str:
    """The trace of the invocation that runs now."""
    return _ids["trace_id"]


@contextmanager
def invocation(request_id: str, traceparent: str | None) -> Iterator[None]:
    """Go on with the caller's W3C trace, else with AWS's own, else start a new one."""
    trace = secrets.token_hex(16)
    if w3c := _TRACEPARENT.fullmatch((traceparent or "").strip()):
        if w3c[1] != "0" * 32 and w3c[2] != "0" * 16:
            trace = w3c[1]
    elif xray := _XRAY.search(os.environ.get("_X_AMZN_TRACE_ID", "")):
        trace = xray[1] + xray[2]
    _ids.update(trace_id=trace, span_id=secrets.token_hex(8), request_id=request_id)
    try:
        yield
    finally:
        _ids.update(trace_id="", span_id="", request_id="")
