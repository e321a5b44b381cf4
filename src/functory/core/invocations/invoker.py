"""The one path of an invocation: permit, environment, outcome.

Implements `port.Invoker`. It reads no store and hops no thread: for a warm function a call is a few dictionary look-ups
around two messages to the runtime.
"""

from __future__ import annotations

from dataclasses import replace

from functory.aws.errors import AwsError
from functory.core.admission.permits import Admission
from functory.core.environments.environment import Environment
from functory.core.environments.pool import Environments
from functory.core.environments.provisioned import Target
from functory.core.functions.model import FunctionVersion
from functory.core.invocations.outcome import Invocation, Outcome
from functory.core.invocations.trace import new_trace_id
from functory.kernel.clock import Clock
from functory.kernel.ids import Ids


class Invocations:
    """See the module."""

    def __init__(self, admission: Admission, environments: Environments, clock: Clock, ids: Ids) -> None:
        self._admission = admission
        self._environments = environments
        self._clock = clock
        self._ids = ids
        self._provisioned = environments.provisioned
        self._provisioned.tell = admission.provisioned

    async def invoke(self, version: FunctionVersion, invocation: Invocation) -> Outcome:
        """See `port.Invoker`."""
        if not invocation.trace_id:
            invocation = replace(invocation, trace_id=new_trace_id(self._clock.epoch_s(), self._ids))
        target = self._provisioned.find(version)
        if target is not None:
            environment = await self._provisioned.take(target)
            if environment is not None:
                return await self._run_provisioned(target, environment, invocation)
        admit = self._admission.permit
        with admit(version.account_id, version.region, version.name, is_synchronous=invocation.is_synchronous):
            return await self._environments.invoke(version, invocation)

    async def _run_provisioned(self, target: Target, environment: Environment, invocation: Invocation) -> Outcome:
        """Run an invocation on a provisioned environment that was taken for it."""
        version = target.version
        try:
            permit = self._admission.permit_provisioned(version.account_id, version.region, version.name)
        except AwsError:
            self._provisioned.give_back(target, environment)
            raise
        with permit:
            return await self._provisioned.run(target, environment, invocation)

    async def retire(self, version: FunctionVersion) -> None:
        """See `port.Invoker`."""
        self._environments.retire(version)

    async def isolate(self, account_id: str, region: str, name: str, isolation: str) -> None:
        """See `port.Invoker`."""
        self._environments.isolate(account_id, region, name, isolation)

    async def remove(self, account_id: str, region: str, name: str, version: str | None = None) -> None:
        """See `port.Invoker`."""
        self._environments.remove(account_id, region, name, version)
