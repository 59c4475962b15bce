"""The example: charges, kept in memory. Replace `Charges` and `Provider`, keep the shape."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import OrderedDict
from typing import Annotated, Literal

from fastapi import APIRouter, Header, HTTPException, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from app.config import Config
from app.problems import RESPONSES

log = logging.getLogger("app.charges")

ChargeId = Annotated[str, Path(alias="id", max_length=64)]


class NewCharge(BaseModel):
    """What a caller sends. Amounts are whole numbers of the smallest unit (cents)."""

    model_config = ConfigDict(extra="forbid", strict=True)

    amount: int = Field(gt=0)
    currency: str = Field(pattern="^[A-Z]{3}$")
    reference: str = Field(default="", max_length=200)


class Charge(BaseModel):
    """What a caller gets back."""

    id: str
    amount: int
    currency: str
    reference: str
    status: Literal["captured", "refunded"]


class Provider:
    """Stands in for the payment provider; PROVIDER_DELAY_SECONDS makes it slow."""

    def __init__(self, delay_seconds: float) -> None:
        self._delay = delay_seconds

    async def call(self) -> None:
        await asyncio.sleep(self._delay)


class Charges:
    """The newest charges, in memory: each process has its own, and they end with it."""

    def __init__(self, room: int = 10_000) -> None:
        self._room = room
        self._by_id: OrderedDict[str, Charge] = OrderedDict()
        self._by_key: OrderedDict[str, str] = OrderedDict()
        self.put(Charge(id="demo", amount=1200, currency="EUR", reference="an example", status="captured"))

    def get(self, charge_id: str) -> Charge | None:
        return self._by_id.get(charge_id)

    def by_key(self, key: str | None) -> Charge | None:
        return self._by_id.get(self._by_key.get(key, "")) if key else None

    def put(self, charge: Charge, key: str | None = None) -> None:
        self._by_id[charge.id] = charge
        if key:
            self._by_key[key] = charge.id
        for kept in (self._by_id, self._by_key):
            while len(kept) > self._room:
                kept.popitem(last=False)


def router(config: Config) -> APIRouter:
    """The three routes of this service; squad.toml lists them too, and a test compares."""
    routes = APIRouter(responses=RESPONSES)
    charges = Charges()
    provider = Provider(config.provider_delay_seconds)

    def find(charge_id: str) -> Charge:
        charge = charges.get(charge_id)
        if charge is None:
            raise HTTPException(404, "there is no such charge")
        return charge

    @routes.get("/charges/{id}")
    async def get_charge(charge_id: ChargeId) -> Charge:
        return find(charge_id)

    @routes.post("/charges", status_code=201)
    async def create_charge(
        new: NewCharge,
        response: Response,
        idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
    ) -> Charge:
        if new.amount > config.charge_limit:
            raise HTTPException(422, f"the amount may be at most {config.charge_limit}")
        charge = charges.by_key(idempotency_key)
        if charge is None:
            # Two tries at once both come here: a real provider must be given the key as well.
            await provider.call()
            charge = charges.by_key(idempotency_key)
        if charge is None:
            charge = Charge(id=f"ch_{secrets.token_hex(8)}", status="captured", **new.model_dump())
            charges.put(charge, idempotency_key)
            log.info("charge captured", extra={"fields": {"charge": charge.id, "amount": charge.amount}})
        elif (charge.amount, charge.currency, charge.reference) != (new.amount, new.currency, new.reference):
            raise HTTPException(409, "this idempotency key was used for another charge")
        response.headers["location"] = f"/charges/{charge.id}"
        return charge

    @routes.post("/charges/{id}/refund")
    async def refund_charge(charge_id: ChargeId) -> Charge:
        charge = find(charge_id)
        if charge.status == "refunded":
            raise HTTPException(409, "the charge is already refunded")
        # Marked first, so that a second request cannot pay the money back twice.
        refunded = charge.model_copy(update={"status": "refunded"})
        charges.put(refunded)
        try:
            await provider.call()
        except BaseException:  # also when the time is up
            charges.put(charge)
            raise
        log.info("charge refunded", extra={"fields": {"charge": charge_id, "amount": charge.amount}})
        return refunded

    return routes
