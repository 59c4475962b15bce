"""Logs, metrics and trace ids: one JSON line and one measurement for each request."""

from __future__ import annotations

import json
import logging
import re
import secrets
import sys
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.config import Config

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)
_QUIET = frozenset({"/livez", "/readyz", "/metrics"})

log = logging.getLogger("app")


@dataclass(frozen=True)
class Trace:
    """Where this request is in a trace. `span_id` is always our own, never the caller's."""

    trace_id: str = ""
    span_id: str = ""
    parent_id: str = ""
    flags: str = "00"

    def traceparent(self) -> str:
        """The header to send along with every call this request makes."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


_NO_TRACE = Trace()
_trace: ContextVar[Trace] = ContextVar("trace", default=_NO_TRACE)


def current() -> Trace:
    """The trace of the request that is being answered now."""
    return _trace.get()


def start_trace(header: str | None) -> Trace:
    """Go on with the caller's W3C trace, or start a new one where there is none that is valid."""
    match = _TRACEPARENT.fullmatch((header or "").strip())
    if match:
        version, trace_id, parent_id, flags, rest = match.groups()
        known = version != "ff" and not (version == "00" and rest)
        if known and trace_id != "0" * 32 and parent_id != "0" * 16:
            return Trace(trace_id, secrets.token_hex(8), parent_id, flags)
    return Trace(secrets.token_hex(16), secrets.token_hex(8))


class JsonFormatter(logging.Formatter):
    """One line of JSON for each record; what is passed as `extra={"fields": {...}}` is added."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self._common = {"service": config.service, "env": config.env, "version": config.revision}

    def format(self, record: logging.LogRecord) -> str:
        trace = current()
        line: dict[str, object] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **self._common,
            "trace_id": trace.trace_id,
            "span_id": trace.span_id,
            "logger": record.name,
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            line.update(fields)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure_logging(config: Config) -> None:
    """All loggers, also the libraries', write to standard output in one form."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(config))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(config.log_level.upper())
    logging.getLogger("uvicorn.access").disabled = True


class Metrics:
    """Rate, errors and duration for each route, and how many requests are in progress."""

    def __init__(self, config: Config) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "http_requests_total", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self.duration = Histogram(
            "http_request_duration_seconds",
            "Time to the end of the answer",
            ["method", "route"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.in_progress = Gauge("http_requests_in_progress", "Requests in progress", registry=self.registry)
        build = Gauge("service_info", "What is running", ["service", "env", "version"], registry=self.registry)
        build.labels(config.service, config.env, config.revision).set(1)


class Telemetry:
    """The outermost layer: sets the trace, measures, logs, and catches what nothing else caught."""

    def __init__(self, app: ASGIApp, metrics: Metrics, draining: Callable[[], bool]) -> None:
        self._app = app
        self._metrics = metrics
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        token = _trace.set(start_trace(headers.get(b"traceparent", b"").decode("latin-1")))
        started = time.perf_counter()
        status = 0

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self._draining():
                    # Kept-alive connections move to another process before this one ends.
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        self._metrics.in_progress.inc()
        try:
            await self._app(scope, receive, observed)
        except Exception:
            log.exception("request failed", extra={"fields": {"path": scope["path"]}})
            if status < 500:
                status = 500
                raise  # the answer was never finished: let the server cut the connection
        finally:
            self._metrics.in_progress.dec()
            self._finish(scope, status or 499, time.perf_counter() - started)
            _trace.reset(token)

    def _finish(self, scope: Scope, status: int, seconds: float) -> None:
        # The route's pattern, never the path: a path would make one time series for each charge.
        route = getattr(scope.get("route"), "path", "rest")
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.duration.labels(method, route).observe(seconds)
        level = logging.DEBUG if scope["path"] in _QUIET else logging.INFO
        fields = {
            "method": scope["method"],
            "path": scope["path"],
            "route": route,
            "status": status,
            "duration_ms": round(seconds * 1000, 1),
        }
        log.log(level, "request", extra={"fields": fields})
