"""Accepted asynchronous events as the durable queue keeps them. Pure."""

from __future__ import annotations

from functory.core.deliveries.port import DEFAULT_LIFE_S, Delivery, NewDelivery
from functory.services.lambda_.ports import AsyncEvent

KIND = "lambda-async"
"""Name of these deliveries in the table; never to be changed."""


def to_delivery(event: AsyncEvent) -> NewDelivery:
    """An event as the queue keeps it: for AWS's 6 hours; a shorter age limit is looked up when it is due."""
    return NewDelivery(
        target_kind=KIND,
        target=f"{event.account_id}:{event.region}:{event.name}",
        payload=event.payload,
        attributes={
            "request_id": event.request_id,
            "account_id": event.account_id,
            "region": event.region,
            "name": event.name,
            "qualifier": event.qualifier,
            "trace_id": event.trace_id,
            "accepted_at": event.accepted_at,
            **({"tenant_id": event.tenant_id} if event.tenant_id else {}),
        },
        expires_at=event.accepted_at + DEFAULT_LIFE_S,
    )


def to_event(delivery: Delivery) -> AsyncEvent:
    """The event that `to_delivery` was given."""
    return AsyncEvent(payload=delivery.payload, **delivery.attributes)
