"""A function as the target of what others send: an asynchronous invocation of its own."""

from __future__ import annotations

from functory.core.deliveries.port import NewDelivery
from functory.core.functions.names import BadFunctionName, FunctionRef, parse
from functory.core.targets.port import Notice, TargetError
from functory.kernel.clock import Clock
from functory.kernel.ids import Ids
from functory.services.lambda_.async_events import to_delivery
from functory.services.lambda_.ports import AsyncEvent


class FunctionDestination:
    """Implements `functory.core.targets.port.Target` for functions, versions and aliases."""

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids

    def check(self, arn: str, source_arn: str) -> None:
        """See `Target`. A function of the same account and region can be told; whether it exists is found out then."""
        ref, source = _parsed(arn), _parsed(source_arn)
        if (ref.account_id, ref.region) != (source.account_id, source.region):
            raise TargetError(f"{arn} is not of the account and region of {source_arn}")

    def delivery(self, arn: str, notice: Notice) -> NewDelivery:
        """See `Target`."""
        ref = _parsed(arn)
        return to_delivery(
            AsyncEvent(
                request_id=self._ids.uuid(),
                account_id=ref.account_id,
                region=ref.region,
                name=ref.name,
                qualifier=ref.qualifier,
                payload=notice.payload,
                trace_id=notice.trace_id,
                accepted_at=self._clock.epoch_s(),
            )
        )


def _parsed(arn: str) -> FunctionRef:
    try:
        ref = parse(arn, "", "")
    except BadFunctionName:
        raise TargetError(f"{arn} is not the ARN of a function") from None
    if not ref.account_id or not ref.region:
        raise TargetError(f"{arn} is not the ARN of a function")
    return ref
