"""What the tests share: the settings, and the whole service without a socket."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from app.config import Config
from app.main import State, create_app


@pytest.fixture
def config() -> Config:
    return Config(
        port=8080,
        admin_port=None,
        service="tested",
        env="test",
        revision="r1",
        charge_limit=1000,
        max_body_bytes=500,
        request_timeout_seconds=0.3,
    )


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
def client(config: Config, state: State) -> Iterator[TestClient]:
    with TestClient(create_app(config, state)) as client:
        yield client
