"""The one path of an invocation: permit, environment, outcome.

Implements `port.Invoker`. It reads no store and hops no thread: for a warm function a call is a few dictionary look-ups
around two messages to the runtime.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

from functory.aws.errors import AwsError
from functory.core.admission.permits import Admission, Permit
from functory.core.environments.environment import Environment
from functory.core.environments.pool import Environments
from functory.core.environments.provisioned import Target
from functory.core.functions.model import FunctionVersion
from functory.core.invocations.outcome import CallerGone, Invocation, Outcome
from functory.core.invocations.trace import decided, new_trace_id
from functory.core.metering import Metering
from functory.kernel.clock import Clock
from functory.kernel.ids import Ids


class Invocations:
    """See the module."""

    def __init__(self, admission: Admission, environments: Environments, metering: Metering, clock: Clock, ids: Ids) -> None:
        self._admission = admission
        self._environments = environments
        self._metering = metering
        metering.levels += [admission.levels, environments.provisioned.levels]
        self._clock = clock
        self._ids = ids
        self._provisioned = environments.provisioned
        self._provisioned.tell = admission.provisioned

    async def invoke(self, version: FunctionVersion, invocation: Invocation) -> Outcome:
        """See `port.Invoker`."""
        if not invocation.trace_id:
            invocation = replace(
                invocation, trace_id=decided(new_trace_id(self._clock.epoch_s(), self._ids), is_sampled=False)
            )
        target = self._provisioned.find(version)
        try:
            if target is not None:
                environment = await self._provisioned.take(target)
                if environment is not None:
                    return await self._run_provisioned(target, environment, invocation)
            admit = self._admission.permit
            with admit(version.account_id, version.region, version.name, is_synchronous=invocation.is_synchronous) as permit:
                self._note_begin(version, invocation, permit)
                outcome = await self._environments.invoke(version, invocation)
        except AwsError as error:
            if error.code == "TooManyRequestsException":
                self._metering.counter(version, invocation).throttles += 1
            raise
        except CallerGone as gone:
            gone.outcome.add_done_callback(partial(self._note_late, version, invocation))
            raise asyncio.CancelledError from None
        counter = self._metering.ended(version, invocation, outcome)
        if target is not None:
            counter.spilled += 1
        return outcome

    def _note_late(self, version: FunctionVersion, invocation: Invocation, outcome: asyncio.Future[Outcome]) -> None:
        """A function has ended whose caller had gone."""
        if not outcome.cancelled():
            self._metering.ended(version, invocation, outcome.result())

    def _note_begin(self, version: FunctionVersion, invocation: Invocation, permit: Permit) -> None:
        """How many run at once, now that one more does."""
        counter = self._metering.counter(version, invocation)
        counter.peak = max(counter.peak, permit.function_running)
        counter.account_peak = max(counter.account_peak, permit.account_running)
        counter.unreserved_peak = max(counter.unreserved_peak, permit.unreserved_running)

    async def _run_provisioned(self, target: Target, environment: Environment, invocation: Invocation) -> Outcome:
        """Run an invocation on a provisioned environment that was taken for it."""
        version = target.version
        try:
            permit = self._admission.permit_provisioned(version.account_id, version.region, version.name)
        except AwsError:
            self._provisioned.give_back(target, environment)
            raise
        with permit:
            self._note_begin(version, invocation, permit)
            outcome = await self._provisioned.run(target, environment, invocation)
        self._metering.ended(version, invocation, outcome).provisioned += 1
        return outcome

    async def retire(self, version: FunctionVersion) -> None:
        """See `port.Invoker`."""
        self._environments.retire(version)

    async def isolate(self, account_id: str, region: str, name: str, isolation: str) -> None:
        """See `port.Invoker`."""
        self._environments.isolate(account_id, region, name, isolation)

    async def remove(self, account_id: str, region: str, name: str, version: str | None = None) -> None:
        """See `port.Invoker`."""
        self._environments.remove(account_id, region, name, version)
