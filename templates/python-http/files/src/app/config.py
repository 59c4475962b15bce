"""Settings: read from the environment once, checked before anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address


class ConfigError(Exception):
    """A variable is missing or makes no sense. The text is one line and names the variable."""


@dataclass(frozen=True)
class Config:
    """Everything that can be different between two environments."""

    # Set by the platform.
    port: int
    admin_port: int | None
    service: str
    env: str
    revision: str
    # Set for this service, in squad.toml under [run.env].
    charge_limit: int
    host: str = "127.0.0.1"
    log_level: str = "info"
    provider_delay_seconds: float = 0.0
    request_timeout_seconds: float = 15.0
    max_body_bytes: int = 64 * 1024
    shutdown_delay_seconds: float = 0.0

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Config:
        """Read and check every variable; the first wrong one ends the start."""
        log_level = environ.get("LOG_LEVEL", "info").strip().lower()
        if log_level not in ("debug", "info", "warning", "error"):
            raise ConfigError(f"LOG_LEVEL is {log_level!r}: it must be debug, info, warning or error")
        config = cls(
            port=_int(environ, "PORT", 8080, low=1, high=65535),
            admin_port=_int(environ, "ADMIN_PORT", 0, low=1, high=65535) if environ.get("ADMIN_PORT") else None,
            service=environ.get("SQUAD_SERVICE", "unknown"),
            env=environ.get("SQUAD_ENV", "unknown"),
            revision=environ.get("SQUAD_REVISION", "unknown"),
            charge_limit=_int(environ, "CHARGE_LIMIT", None, low=1),
            # Nobody else reaches it unless the platform says so; the image does.
            host=_address(environ, "HOST", "127.0.0.1"),
            log_level=log_level,
            provider_delay_seconds=_seconds(environ, "PROVIDER_DELAY_SECONDS", 0.0, high=60.0),
            request_timeout_seconds=_seconds(environ, "REQUEST_TIMEOUT_SECONDS", 15.0, high=300.0),
            max_body_bytes=_int(environ, "MAX_BODY_BYTES", 64 * 1024, low=1),
            shutdown_delay_seconds=_seconds(environ, "SHUTDOWN_DELAY_SECONDS", 0.0, high=60.0),
        )
        if config.request_timeout_seconds <= 0:
            raise ConfigError("REQUEST_TIMEOUT_SECONDS must be more than 0")
        if config.admin_port == config.port:
            raise ConfigError(f"ADMIN_PORT is {config.port}, the same as PORT: they must differ")
        return config


def _address(environ: Mapping[str, str], name: str, default: str) -> str:
    text = environ.get(name, "").strip() or default
    try:
        return str(ip_address(text))
    except ValueError:
        raise ConfigError(f"{name} is {text!r}: it must be an IP address such as 127.0.0.1") from None


def _int(environ: Mapping[str, str], name: str, default: int | None, *, low: int, high: int | None = None) -> int:
    text = environ.get(name, "").strip()
    if not text:
        if default is None:
            raise ConfigError(f"{name} is not set: it must be a whole number")
        return default
    try:
        value = int(text)
    except ValueError:
        raise ConfigError(f"{name} is {text!r}: it must be a whole number") from None
    if value < low or (high is not None and value > high):
        limit = f"from {low} to {high}" if high is not None else f"at least {low}"
        raise ConfigError(f"{name} is {value}: it must be {limit}")
    return value


def _seconds(environ: Mapping[str, str], name: str, default: float, *, high: float) -> float:
    text = environ.get(name, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise ConfigError(f"{name} is {text!r}: it must be a number of seconds") from None
    if not 0.0 <= value <= high:
        raise ConfigError(f"{name} is {text}: it must be from 0 to {high:g} seconds")
    return value
