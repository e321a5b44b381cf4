"""The two state machines of a function version: State and LastUpdateStatus.

**Theory.** A new version is *Pending* until the reconciler has unpacked its code and found its runtime; then it is
*Active*, or *Failed* with a reason. A failed one becomes pending again when it is updated, or when the node starts and what
was missing may have come. An update of an active ``$LATEST`` leaves State alone and moves LastUpdateStatus: *InProgress*,
then *Successful* or *Failed*; meanwhile, and after a failure, the old code runs on. A version that was never prepared has no
LastUpdateStatus (`UpdateStatus.NEVER`).

AWS: has further states (Inactive, Deactivating …) for images, networks and durable functions; none of these exist here yet.
"""

from __future__ import annotations

from enum import Enum

from functory.kernel.transition import StateTable


class State(Enum):
    """AWS's ``State``."""

    PENDING = "Pending"
    ACTIVE = "Active"
    FAILED = "Failed"


class UpdateStatus(Enum):
    """AWS's ``LastUpdateStatus``."""

    NEVER = ""
    IN_PROGRESS = "InProgress"
    SUCCESSFUL = "Successful"
    FAILED = "Failed"


STATES = StateTable(
    "lambda.State",
    {
        State.PENDING: frozenset({State.ACTIVE, State.FAILED}),
        State.ACTIVE: frozenset(),
        State.FAILED: frozenset({State.PENDING}),
    },
)

UPDATES = StateTable(
    "lambda.LastUpdateStatus",
    {
        UpdateStatus.NEVER: frozenset({UpdateStatus.SUCCESSFUL}),
        UpdateStatus.SUCCESSFUL: frozenset({UpdateStatus.IN_PROGRESS}),
        UpdateStatus.IN_PROGRESS: frozenset({UpdateStatus.SUCCESSFUL, UpdateStatus.FAILED}),
        UpdateStatus.FAILED: frozenset({UpdateStatus.IN_PROGRESS}),
    },
)

CREATING_REASON = "The function is being created."
CREATING_CODE = "Creating"
