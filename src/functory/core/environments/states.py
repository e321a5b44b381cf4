"""The two lifecycles of an execution environment.

**The environment** as the pool sees it. An environment is used by at most one invocation at a time and is never repaired:
whatever goes wrong ends it, and the next invocation gets another.

::

    STARTING ──> IDLE <──> BUSY
       │          │          │
       └──────────┴──────────┴──> ENDING ──> ENDED

**The runtime** as its Runtime API sees it; names and texts as AWS's own agent has them. Everything not listed is denied.

::

    RuntimeStarted ──next──> RuntimeReady ──event sent──> RuntimeRunning
          │                       ^                          │
          │ init/error            ├──next── RuntimeResponseSent <──response──┤
          v                       │                                          │
    RuntimeInitError              └──next── RuntimeInvocationErrorResponse <──error──┘
"""

from __future__ import annotations

from enum import Enum

from functory.kernel.transition import StateTable


class EnvironmentState(Enum):
    """See the module's first diagram."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    ENDING = "ending"
    ENDED = "ended"


ENVIRONMENT = StateTable(
    "environment",
    {
        EnvironmentState.STARTING: frozenset({EnvironmentState.IDLE, EnvironmentState.ENDING}),
        EnvironmentState.IDLE: frozenset({EnvironmentState.BUSY, EnvironmentState.ENDING}),
        EnvironmentState.BUSY: frozenset({EnvironmentState.IDLE, EnvironmentState.ENDING}),
        EnvironmentState.ENDING: frozenset({EnvironmentState.ENDED}),
        EnvironmentState.ENDED: frozenset(),
    },
)


class RuntimeState(Enum):
    """See the module's second diagram; values are the names in AWS's error texts."""

    STARTED = "RuntimeStarted"
    INIT_ERROR = "RuntimeInitError"
    READY = "RuntimeReady"
    RUNNING = "RuntimeRunning"
    RESPONSE_SENT = "RuntimeResponseSent"
    ERROR_SENT = "RuntimeInvocationErrorResponse"


RUNTIME = StateTable(
    "runtime",
    {
        RuntimeState.STARTED: frozenset({RuntimeState.READY, RuntimeState.INIT_ERROR}),
        RuntimeState.INIT_ERROR: frozenset(),
        RuntimeState.READY: frozenset({RuntimeState.RUNNING}),
        RuntimeState.RUNNING: frozenset({RuntimeState.RESPONSE_SENT, RuntimeState.ERROR_SENT}),
        RuntimeState.RESPONSE_SENT: frozenset({RuntimeState.READY}),
        RuntimeState.ERROR_SENT: frozenset({RuntimeState.READY}),
    },
)
