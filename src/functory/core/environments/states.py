"""The lifecycles of an execution environment, its runtime and its extensions.

**The environment** as the pool sees it. An environment is used by at most one invocation at a time and is never repaired:
whatever goes wrong ends it, and the next invocation gets another.

::

    STARTING ──> IDLE <──> BUSY
       │          │          │
       └──────────┴──────────┴──> ENDING ──> ENDED

**The runtime** as its Runtime API sees it; names and texts as AWS's own agent has them. Everything not listed is denied.

::

    Started ──next──> Ready ──event sent──> Running ──response──> InvocationResponse
       │               ^  ^                   │                          │
       │ init/error    │  └──next── RuntimeResponseSentState <──its end, whatever it says
       v               │                      │
    InitError          └──next── InvocationErrorResponse <──error

A runtime whose state is kept for others (SnapStart) waits between init and its first event, in the snapshot and again after
it: ``Started ──restore/next──> RestoreReady ──restored──> Restoring ──next──> Ready``, or
``Restoring ──restore/error──> RuntimeRestoreErrorState``.

**An extension**, external or internal; an internal one is made by its registration. A process that ends before it was told
to is a failure of the environment, whatever its state.

::

    Started ──register──> Registered ──next──> Ready ──event sent──> Running ──next──> Ready
       │                    │   │                │                     │
       │ cannot be started  │   └── init/error   └──── exit/error ─────┤ (also from Registered)
       v                    v          v                               v
    LaunchError           Exited   InitError                       ExitError
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

    STARTED = "Started"
    INIT_ERROR = "InitError"
    RESTORE_READY = "RestoreReady"
    RESTORING = "Restoring"
    RESTORE_ERROR = "RuntimeRestoreErrorState"
    READY = "Ready"
    RUNNING = "Running"
    RESPONDING = "InvocationResponse"
    RESPONSE_SENT = "RuntimeResponseSentState"
    ERROR_SENT = "InvocationErrorResponse"


RUNTIME = StateTable(
    "runtime",
    {
        RuntimeState.STARTED: frozenset({RuntimeState.READY, RuntimeState.INIT_ERROR, RuntimeState.RESTORE_READY}),
        RuntimeState.INIT_ERROR: frozenset(),
        RuntimeState.RESTORE_READY: frozenset({RuntimeState.RESTORING}),
        RuntimeState.RESTORING: frozenset({RuntimeState.READY, RuntimeState.RESTORE_ERROR}),
        RuntimeState.RESTORE_ERROR: frozenset(),
        RuntimeState.READY: frozenset({RuntimeState.RUNNING}),
        RuntimeState.RUNNING: frozenset({RuntimeState.RESPONDING, RuntimeState.ERROR_SENT}),
        RuntimeState.RESPONDING: frozenset({RuntimeState.RESPONSE_SENT}),
        RuntimeState.RESPONSE_SENT: frozenset({RuntimeState.READY}),
        RuntimeState.ERROR_SENT: frozenset({RuntimeState.READY}),
    },
)


class ExtensionState(Enum):
    """See the module's third diagram; values are the names in AWS's error texts and log lines."""

    STARTED = "Started"
    REGISTERED = "Registered"
    READY = "Ready"
    RUNNING = "Running"
    INIT_ERROR = "InitError"
    EXIT_ERROR = "ExitError"
    LAUNCH_ERROR = "LaunchError"
    EXITED = "Exited"


EXTENSION = StateTable(
    "extension",
    {
        ExtensionState.STARTED: frozenset({ExtensionState.REGISTERED, ExtensionState.LAUNCH_ERROR, ExtensionState.EXITED}),
        ExtensionState.REGISTERED: frozenset(
            {ExtensionState.READY, ExtensionState.INIT_ERROR, ExtensionState.EXIT_ERROR, ExtensionState.EXITED}
        ),
        ExtensionState.READY: frozenset({ExtensionState.RUNNING, ExtensionState.EXIT_ERROR, ExtensionState.EXITED}),
        ExtensionState.RUNNING: frozenset({ExtensionState.READY, ExtensionState.EXIT_ERROR, ExtensionState.EXITED}),
        # a repeated report is accepted, and the first one counts
        ExtensionState.INIT_ERROR: frozenset({ExtensionState.INIT_ERROR}),
        ExtensionState.EXIT_ERROR: frozenset({ExtensionState.EXIT_ERROR}),
        ExtensionState.LAUNCH_ERROR: frozenset(),
        ExtensionState.EXITED: frozenset(),
    },
)
