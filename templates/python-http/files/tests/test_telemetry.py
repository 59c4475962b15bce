from __future__ import annotations

import json
import logging

import pytest
from starlette.testclient import TestClient

from app.config import Config
from app.main import State
from app.telemetry import JsonFormatter, start_trace

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


def test_a_valid_trace_is_continued_with_a_span_of_our_own() -> None:
    trace = start_trace(f"00-{TRACE}-{PARENT}-01")
    assert (trace.trace_id, trace.parent_id, trace.flags) == (TRACE, PARENT, "01")
    assert trace.span_id != PARENT
    assert trace.traceparent() == f"00-{TRACE}-{trace.span_id}-01"


@pytest.mark.parametrize(
    "header",
    [None, "", "x", f"ff-{TRACE}-{PARENT}-01", f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01"],
)
def test_anything_else_starts_a_new_trace(header: str | None) -> None:
    trace = start_trace(header)
    assert trace.trace_id not in (TRACE, "0" * 32)
    assert len(trace.trace_id) == 32


def test_a_request_is_one_line_of_json(client: TestClient, config: Config, caplog: pytest.LogCaptureFixture) -> None:
    lines: list[str] = []
    handler = logging.Handler()
    handler.setFormatter(JsonFormatter(config))
    handler.emit = lambda record: lines.append(handler.format(record))  # type: ignore[method-assign]
    logging.getLogger("app").addHandler(handler)
    try:
        with caplog.at_level("INFO"):
            client.get("/charges/demo", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    finally:
        logging.getLogger("app").removeHandler(handler)
    line = json.loads(lines[-1])
    assert line["message"] == "request"
    assert line["trace_id"] == TRACE
    assert line["route"] == "/charges/{id}"
    assert line["status"] == 200
    assert {"timestamp", "level", "service", "env", "version", "span_id"} <= line.keys()


def test_metrics_count_routes_not_paths(client: TestClient) -> None:
    client.get("/charges/demo")
    client.get("/charges/other")
    client.get("/no/such/path")
    text = client.get("/metrics").text
    assert 'http_requests_total{method="GET",route="/charges/{id}",status="200"} 1.0' in text
    assert 'http_requests_total{method="GET",route="/charges/{id}",status="404"} 1.0' in text
    assert 'route="rest",status="404"' in text
    assert "/no/such/path" not in text


def test_readiness_goes_before_the_service_does(client: TestClient, state: State) -> None:
    assert client.get("/readyz").status_code == 200
    state.ready = False
    assert client.get("/readyz").status_code == 503
    assert client.get("/livez").status_code == 200
    answer = client.get("/charges/demo")
    assert answer.status_code == 200
    assert answer.headers["connection"] == "close"
