"""How large a request may be, and how long it may take."""

from __future__ import annotations

import asyncio
import logging

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.problems import problem

log = logging.getLogger("app")


class Limits:
    """413 for a body that is too large, declared or not; 504 for an answer that takes too long."""

    def __init__(self, app: ASGIApp, max_body_bytes: int, timeout_seconds: float) -> None:
        self._app = app
        self._max = max_body_bytes
        self._timeout = timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        too_large = f"the body may have at most {self._max} bytes"
        declared = dict(scope["headers"]).get(b"content-length", b"")
        if declared.isdigit() and int(declared) > self._max:
            await problem(413, too_large, scope["path"])(scope, receive, send)
            return

        received = 0
        answering = False

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > self._max:
                    raise HTTPException(413, too_large)
            return message

        async def noted(message: Message) -> None:
            nonlocal answering
            answering = True
            await send(message)

        try:
            async with asyncio.timeout(self._timeout) as limit:
                await self._app(scope, counted, noted)
        except TimeoutError:
            if answering or not limit.expired():
                raise
            log.warning("request took too long", extra={"fields": {"limit_seconds": self._timeout}})
            detail = f"no answer within {self._timeout:g} seconds"
            await problem(504, detail, scope["path"])(scope, receive, send)
