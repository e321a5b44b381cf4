"""The shutdown phase: what an environment's processes may still do before they are killed.

AWS: nothing without extensions; 500 ms with internal ones; 2,000 ms with an external one, of which the runtime has 30 % to
react to SIGTERM before extensions get their SHUTDOWN event. What is left at the end is killed by the sandbox's disposal.
``Differs:`` a runtime that ignores SIGTERM is not killed before the extensions, but together with them.
"""

from __future__ import annotations

import asyncio
import contextlib
from enum import Enum

from functory.core.environments.extensions import Extensions
from functory.kernel.clock import Clock
from functory.sandbox.port import Sandbox

EXTERNAL_S = 2.0
INTERNAL_S = 0.5
_RUNTIME_SHARE = 0.3


class ShutdownReason(Enum):
    """``shutdownReason`` of the SHUTDOWN event."""

    SPINDOWN = "spindown"
    TIMEOUT = "timeout"
    FAILURE = "failure"


async def shut_down(
    sandbox: Sandbox, extensions: Extensions, reason: ShutdownReason, clock: Clock, *, has_runtime: bool
) -> None:
    """Let runtime and extensions end in their time; returns at the latest when it is over.

    Args:
        has_runtime: whether the runtime's process is still there.
    """
    if not extensions:
        return
    budget_s = EXTERNAL_S if extensions.has_external else INTERNAL_S
    loop = asyncio.get_running_loop()
    began, deadline_ms = loop.time(), int((clock.epoch_s() + budget_s) * 1000)
    await sandbox.thaw()
    if has_runtime:
        share_s = budget_s * _RUNTIME_SHARE if extensions.has_external else budget_s
        sandbox.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(share_s):
                await sandbox.wait()
    extensions.shut_down(reason.value, deadline_ms)
    if not extensions.has_external:
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(budget_s - (loop.time() - began)):
            await extensions.departed.wait()
