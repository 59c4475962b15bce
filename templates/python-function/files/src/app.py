"""The function: makes receipts for charges, and reads them back.

`handler` takes two forms of event. Called directly, `{"charge": "ch_1", "amount": 1200}` gives a receipt.
Behind an HTTP API (payload format 2.0), `POST /receipts` and `GET /receipts/{id}` do the same.
A receipt's id carries what it is about, so nothing is stored: replace that by a table when there is more to keep.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from http import HTTPStatus
from typing import Any, Protocol, TypedDict

import observed
from observed import log

MAX_AMOUNT = 100_000_000
_CHARGE = re.compile(r"[A-Za-z0-9_]{1,64}")
_RECEIPT = re.compile(r"rc-([A-Za-z0-9_]{1,64})-([1-9][0-9]{0,8})-([0-9a-f]{12})")


class Context(Protocol):
    """The part of Lambda's context object that is used here."""

    aws_request_id: str


class Receipt(TypedDict):
    """What a caller gets. The same charge and amount always give the same receipt."""

    id: str
    charge: str
    amount: int


class Refused(Exception):
    """The caller's mistake: a problem over HTTP, a function error when called directly."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}


def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """The entry point, named in squad.toml."""
    http = event.get("requestContext", {}).get("http") if isinstance(event, dict) else None
    headers = event.get("headers") or {} if http else {}
    with observed.invocation(context.aws_request_id, headers.get("traceparent")):
        if http:
            return _over_http(event, http)
        try:
            receipt = make_receipt(event)
        except Refused as refused:
            log.warning("refused", extra={"fields": {"detail": refused.detail}})
            raise
        return dict(receipt)


def make_receipt(wish: object) -> Receipt:
    """A receipt for a charge; refuses what is not one."""
    if not isinstance(wish, dict):
        raise Refused(422, "expected an object with charge and amount")
    charge, amount = wish.get("charge"), wish.get("amount")
    if not isinstance(charge, str) or not _CHARGE.fullmatch(charge):
        raise Refused(422, "charge must be 1 to 64 letters, digits or underscores")
    # In Python true is a whole number as well.
    if not isinstance(amount, int) or isinstance(amount, bool) or not 0 < amount <= MAX_AMOUNT:
        raise Refused(422, f"amount must be a whole number from 1 to {MAX_AMOUNT}")
    receipt = Receipt(id=f"rc-{charge}-{amount}-{_check(charge, amount)}", charge=charge, amount=amount)
    log.info("receipt made", extra={"fields": {"receipt": receipt["id"]}})
    return receipt


def find_receipt(receipt_id: str) -> Receipt:
    """The receipt with this id; refuses an id that was never given out."""
    match = _RECEIPT.fullmatch(receipt_id)
    if not match or _check(match[1], int(match[2])) != match[3]:
        raise Refused(404, "there is no such receipt")
    return Receipt(id=receipt_id, charge=match[1], amount=int(match[2]))


def _check(charge: str, amount: int) -> str:
    # Finds typing errors. It is no signature: anybody who reads this file can make one.
    return hashlib.sha256(f"{charge}:{amount}".encode()).hexdigest()[:12]


def _over_http(event: dict[str, Any], http: dict[str, str]) -> dict[str, Any]:
    path = _path(event)
    try:
        answer = _route(http["method"], path, event)
    except Refused as refused:
        answer = _problem(refused.status, refused.detail, path, refused.headers)
    except Exception:
        # Logged here with its traceback; the caller learns only where to look.
        log.exception("request failed")
        answer = _problem(500, "the function failed; the log has the details under this trace_id", path)
    fields = {"method": http["method"], "path": path, "status": answer["statusCode"]}
    log.info("request", extra={"fields": fields})
    return answer


def _route(method: str, path: str, event: dict[str, Any]) -> dict[str, Any]:
    match path.split("/")[1:]:
        case ["receipts"]:
            if method != "POST":
                raise Refused(405, f"{method} is not allowed here", {"allow": "POST"})
            receipt = make_receipt(_json_body(event))
            return _answer(201, receipt, {"location": f"/receipts/{receipt['id']}"})
        case ["receipts", receipt_id] if receipt_id:
            if method != "GET":
                raise Refused(405, f"{method} is not allowed here", {"allow": "GET"})
            return _answer(200, find_receipt(receipt_id))
        case _:
            raise Refused(404, "there is nothing at this path")


def _path(event: dict[str, Any]) -> str:
    # A stage with a name is part of the path that API Gateway sends.
    path: str = event.get("rawPath") or "/"
    stage = event["requestContext"].get("stage", "$default")
    return path.removeprefix(f"/{stage}") or "/" if path.startswith(f"/{stage}/") else path


def _json_body(event: dict[str, Any]) -> object:
    body = event.get("body") or ""
    try:
        raw = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body
        return json.loads(raw)
    except (binascii.Error, ValueError, RecursionError):
        raise Refused(400, "the body is not JSON") from None


def _answer(status: int, body: object, headers: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json", **(headers or {})},
        "body": json.dumps(body),
    }


def _problem(status: int, detail: str, path: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": path,
        "trace_id": observed.trace_id(),
    }
    return _answer(status, body, {**(headers or {}), "content-type": "application/problem+json"})
