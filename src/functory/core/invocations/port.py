"""What services ask of the engine."""

from __future__ import annotations

from typing import Protocol

from functory.core.functions.model import FunctionVersion
from functory.core.invocations.outcome import Invocation, Outcome


class Invoker(Protocol):
    """Runs invocations."""

    async def invoke(self, version: FunctionVersion, invocation: Invocation) -> Outcome:
        """Run one invocation on an environment of ``version`` and return how it ended.

        Raises:
            AwsError: ``TooManyRequestsException`` when no permit is free, ``ServiceException`` when the machine has no room;
                nothing ran.

        Cancellation: a caller that goes away does not stop a function that has begun (as on AWS); its outcome is logged.
        """

    async def retire(self, version: FunctionVersion) -> None:
        """End the environments of every epoch of this function version but ``version.epoch``.

        Idle ones end now, busy ones after their invocation. Called after a change has been committed.
        """

    async def isolate(self, account_id: str, region: str, name: str, isolation: str) -> None:
        """End the environments of a function that were made with another isolation; as `retire` does."""

    async def remove(self, account_id: str, region: str, name: str, version: str | None = None) -> None:
        """End all environments of a deleted function, or of one deleted version."""
