from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from app.config import Config
from app.main import State, create_api, wrap
from app.telemetry import Metrics


@pytest.fixture
def broken(config: Config) -> TestClient:
    """The service with two more routes: one that fails and one that never answers."""
    state, metrics = State(), Metrics(config)
    api = create_api(config, state, metrics)

    @api.get("/fails")
    async def fails() -> None:
        raise RuntimeError("a secret of the inside")

    @api.get("/hangs")
    async def hangs() -> None:
        await asyncio.sleep(30)

    return TestClient(wrap(api, config, state, metrics))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/charges/none", 404),
        ("GET", "/charges/demo/", 404),
        ("DELETE", "/charges/demo", 405),
        ("POST", "/charges", 422),
        ("GET", "/fails", 500),
        ("GET", "/hangs", 504),
    ],
)
def test_every_error_is_a_problem(broken: TestClient, method: str, path: str, status: int) -> None:
    answer = broken.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["instance"] == path
    assert len(body["trace_id"]) == 32
    assert "secret" not in answer.text
    if status == 405:
        assert answer.headers["allow"] == "GET"


def test_a_body_that_is_not_json_is_a_problem(client: TestClient) -> None:
    answer = client.post("/charges", content=b"{", headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_large_body_is_refused(client: TestClient) -> None:
    answer = client.post("/charges", content=b"x" * 501)
    assert answer.status_code == 413
    assert answer.json()["detail"] == "the body may have at most 500 bytes"


def test_a_large_body_of_unknown_length_is_refused(client: TestClient) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(6):
            yield b"x" * 100

    answer = client.post("/charges", content=pieces(), headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
