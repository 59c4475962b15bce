from __future__ import annotations

import base64
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import app
import observed

EVENTS = Path(__file__).parents[1] / "events"
TRACE = "0af7651916cd43dd8448eb211c80319c"


@dataclass
class Context:
    aws_request_id: str = "request-1"


def event(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((EVENTS / name).read_text())
    return loaded


def http(method: str, path: str, body: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "version": "2.0",
        "rawPath": path,
        "headers": {},
        "requestContext": {"stage": "$default", "http": {"method": method, "path": path}},
        "body": body,
        "isBase64Encoded": False,
        **more,
    }


def test_a_direct_call_gives_a_receipt() -> None:
    receipt = app.handler(event("direct.json"), Context())
    assert receipt["charge"] == "ch_1"
    assert receipt["amount"] == 1200
    assert receipt == app.handler(event("direct.json"), Context()), "the same call gives the same receipt"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"charge": "", "amount": 1},
        {"charge": "a b", "amount": 1},
        {"charge": "ch_1", "amount": 0},
        {"charge": "ch_1", "amount": True},
        {"charge": "ch_1", "amount": 1.5},
        {"charge": "ch_1", "amount": app.MAX_AMOUNT + 1},
    ],
)
def test_a_wrong_direct_call_is_a_function_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(app.Refused):
        app.handler(wrong, Context())


def test_http_makes_a_receipt_and_reads_it_back() -> None:
    made = app.handler(event("http-post.json"), Context())
    assert made["statusCode"] == 201
    read = app.handler(http("GET", made["headers"]["location"]), Context())
    assert read["statusCode"] == 200
    assert json.loads(read["body"]) == json.loads(made["body"])


def test_the_largest_receipt_can_be_read_back() -> None:
    receipt = app.make_receipt({"charge": "c" * 64, "amount": app.MAX_AMOUNT})
    assert app.find_receipt(receipt["id"]) == receipt


def test_the_example_of_reading_is_a_real_receipt() -> None:
    assert app.handler(event("http-get.json"), Context())["statusCode"] == 200


def test_a_body_in_base64_and_a_named_stage() -> None:
    body = base64.b64encode(b'{"charge": "ch_1", "amount": 5}').decode()
    sent = http("POST", "/test/receipts", body, isBase64Encoded=True)
    sent["requestContext"]["stage"] = "test"
    assert app.handler(sent, Context())["statusCode"] == 201


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (http("GET", "/nowhere"), 404),
        (http("GET", "/receipts/"), 404),
        (http("GET", "/receipts/rc-ch_1-1200-000000000000"), 404),
        (http("PUT", "/receipts"), 405),
        (http("DELETE", "/receipts/x"), 405),
        (http("POST", "/receipts", "{"), 400),
        (http("POST", "/receipts", None), 400),
        (http("POST", "/receipts", "[]"), 422),
        (http("POST", "/receipts", "é", isBase64Encoded=True), 400),
    ],
)
def test_every_http_error_is_a_problem(sent: dict[str, Any], status: int) -> None:
    answer = app.handler(sent, Context())
    assert answer["statusCode"] == status
    assert answer["headers"]["content-type"] == "application/problem+json"
    assert json.loads(answer["body"])["status"] == status


def test_a_failure_is_a_problem_that_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr(app, "make_receipt", fails)
    answer = app.handler(event("http-post.json"), Context())
    assert answer["statusCode"] == 500
    assert "secret" not in answer["body"]
    assert json.loads(answer["body"])["trace_id"] == TRACE


def test_the_log_is_json_and_carries_the_ids(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observed.log.handlers[0], "stream", sys.stdout)
    app.handler(event("http-post.json"), Context())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["message"] for line in lines] == ["receipt made", "request"]
    assert {line["trace_id"] for line in lines} == {TRACE}
    assert {line["request_id"] for line in lines} == {"request-1"}
    assert {"timestamp", "level", "service", "env", "version", "span_id"} <= lines[0].keys()
