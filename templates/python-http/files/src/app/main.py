"""Puts the parts together, starts one server process and ends it without losing a request.

At TERM: /readyz answers 503 while everything is still served for SHUTDOWN_DELAY_SECONDS, answers
carry `Connection: close`, then the listener closes, what is in flight gets up to 20 seconds, and the
process ends with 0.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from dataclasses import dataclass
from types import FrameType

import uvicorn
from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest, start_http_server
from starlette.types import ASGIApp

from app import charges, problems
from app.config import Config, ConfigError
from app.limits import Limits
from app.telemetry import Metrics, Telemetry, configure_logging

DRAIN_SECONDS = 20

log = logging.getLogger("app")


@dataclass
class State:
    """What changes while the process runs."""

    ready: bool = True


def create_api(config: Config, state: State, metrics: Metrics) -> FastAPI:
    """The routes, without the layers around them."""
    api = FastAPI(
        title=config.service,
        version=config.revision,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"auto_configure": False},
    )
    problems.install(api)

    # Only the process itself: a database that is down must not restart every instance.
    @api.get("/livez", include_in_schema=False)
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @api.get("/readyz", include_in_schema=False)
    async def readyz(response: Response) -> dict[str, str]:
        if state.ready:
            return {"status": "ready"}
        response.status_code = 503
        return {"status": "draining"}

    if config.admin_port is None:

        @api.get("/metrics", include_in_schema=False)
        async def metrics_page() -> Response:
            return Response(generate_latest(metrics.registry), headers={"content-type": CONTENT_TYPE_LATEST})

    api.include_router(charges.router(config))
    return api


def create_app(config: Config, state: State | None = None) -> ASGIApp:
    """The whole service, as the server runs it."""
    state = state or State()
    metrics = Metrics(config)
    if config.admin_port is not None:
        start_http_server(config.admin_port, addr=config.host, registry=metrics.registry)
    api = create_api(config, state, metrics)
    return wrap(api, config, state, metrics)


def wrap(api: FastAPI, config: Config, state: State, metrics: Metrics) -> ASGIApp:
    """The layers every request goes through, from the outside in."""
    limited = Limits(api, config.max_body_bytes, config.request_timeout_seconds)
    return Telemetry(limited, metrics, draining=lambda: not state.ready)


class Server(uvicorn.Server):
    """uvicorn, with readiness switched off first and an exit status of 0."""

    def __init__(self, settings: uvicorn.Config, state: State, delay_seconds: float) -> None:
        super().__init__(settings)
        self._state = state
        self._delay = delay_seconds

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn would raise the signal again after its drain, and the status would not be 0.
        if self._state.ready:
            self._state.ready = False
            log.info("draining", extra={"fields": {"signal": signal.Signals(sig).name, "delay_seconds": self._delay}})
            asyncio.get_running_loop().call_later(self._delay, self._stop)
        elif sig == signal.SIGINT:
            self.should_exit = self.force_exit = True  # Ctrl-C for the second time

    def _stop(self) -> None:
        self.should_exit = True


def main() -> None:
    """Run until a signal comes. The exit status is 0 after a drain, 1 when it could not start."""
    try:
        config = Config.from_env(os.environ)
    except ConfigError as error:
        sys.exit(f"configuration: {error}")
    configure_logging(config)
    state = State()
    settings = uvicorn.Config(
        create_app(config, state),
        host=config.host,
        port=config.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        timeout_keep_alive=75,
    )
    Server(settings, state, config.shutdown_delay_seconds).run()
    log.info("stopped")


if __name__ == "__main__":
    main()
