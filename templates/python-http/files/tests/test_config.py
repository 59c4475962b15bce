from __future__ import annotations

import pytest

from app.config import Config, ConfigError


def test_the_defaults_are_enough_but_for_what_is_required() -> None:
    config = Config.from_env({"CHARGE_LIMIT": "5"})
    assert (config.port, config.admin_port, config.charge_limit) == (8080, None, 5)


def test_others_reach_it_only_where_the_platform_says_so() -> None:
    assert Config.from_env({"CHARGE_LIMIT": "5", "SQUAD_ENV": "prod"}).host == "127.0.0.1"
    assert Config.from_env({"CHARGE_LIMIT": "5", "HOST": "0.0.0.0"}).host == "0.0.0.0"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CHARGE_LIMIT", ""),
        ("CHARGE_LIMIT", "many"),
        ("CHARGE_LIMIT", "0"),
        ("PORT", "http"),
        ("PORT", "70000"),
        ("HOST", "my-machine"),
        ("ADMIN_PORT", "8080"),
        ("LOG_LEVEL", "loud"),
        ("PROVIDER_DELAY_SECONDS", "-1"),
        ("REQUEST_TIMEOUT_SECONDS", "0"),
        ("SHUTDOWN_DELAY_SECONDS", "nan"),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        Config.from_env({"CHARGE_LIMIT": "5", name: value})
