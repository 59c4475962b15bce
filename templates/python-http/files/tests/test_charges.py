from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient


def test_a_charge_can_be_made_read_and_refunded_once(client: TestClient) -> None:
    made = client.post("/charges", json={"amount": 500, "currency": "EUR"})
    assert made.status_code == 201
    where = made.headers["location"]
    assert client.get(where).json() == made.json()

    refunded = client.post(f"{where}/refund")
    assert refunded.status_code == 200
    assert refunded.json()["status"] == "refunded"
    assert client.get(where).json()["status"] == "refunded"
    assert client.post(f"{where}/refund").status_code == 409


def test_the_same_idempotency_key_makes_one_charge(client: TestClient) -> None:
    def send(amount: int) -> Any:
        return client.post("/charges", json={"amount": amount, "currency": "EUR"}, headers={"idempotency-key": "k"})

    assert send(5).json() == send(5).json()
    assert send(6).status_code == 409


@pytest.mark.parametrize(
    "body",
    [
        {"amount": 0, "currency": "EUR"},
        {"amount": 1001, "currency": "EUR"},
        {"amount": "5", "currency": "EUR"},
        {"amount": 5, "currency": "euro"},
        {"amount": 5, "currency": "EUR", "extra": 1},
        {},
    ],
)
def test_a_wrong_charge_is_refused(client: TestClient, body: dict[str, object]) -> None:
    answer = client.post("/charges", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_routes_that_rollouts_judge_are_the_routes_there_are(client: TestClient) -> None:
    settings = tomllib.loads((Path(__file__).parents[1] / "squad.toml").read_text())
    listed = {(route["method"], route["path"]) for route in settings["route"]}
    paths = client.get("/openapi.json").json()["paths"]
    assert listed == {(method.upper(), path) for path, methods in paths.items() for method in methods}
