"""An event source mapping as a value, and its life.

**Life.** ``enabled`` says what its owner wants, ``state`` how far that is: a change makes the state one that is under way,
in the transaction that records it; the controller, once it polls (or no longer does), makes it the state that lasts. What
was under way when a node was killed is finished by the next.

    Creating, Enabling, Updating  -> Enabled       when it polls
    Disabling, Updating           -> Disabled      when nothing of it runs any more
    Deleting                      -> gone          when nothing of it runs any more
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from functory.aws.arn import Arn


class MappingState(Enum):
    """AWS's words."""

    CREATING = "Creating"
    ENABLING = "Enabling"
    ENABLED = "Enabled"
    DISABLING = "Disabling"
    DISABLED = "Disabled"
    UPDATING = "Updating"
    DELETING = "Deleting"

    @property
    def is_settled(self) -> bool:
        """Nothing is under way."""
        return self in {MappingState.ENABLED, MappingState.DISABLED}


@dataclass(frozen=True, slots=True)
class EventSourceMapping:
    """One mapping.

    Attributes:
        uuid: its name.
        account_id: 12 digits.
        region: of function and source.
        function_name: without qualifier.
        qualifier: version or alias, ``""`` for the function as it is.
        source_arn: what is polled.
        enabled: whether it shall be.
        state: how far that is.
        changed_at: epoch seconds of the last change its owner made.
        config: the other members of the API that were given, by their names; timestamps as epoch seconds.
        tags: of the mapping.
    """

    uuid: str
    account_id: str
    region: str
    function_name: str
    qualifier: str
    source_arn: str
    enabled: bool
    state: MappingState
    changed_at: float
    config: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """``arn:aws:lambda:…:event-source-mapping:UUID``."""
        resource = f"event-source-mapping:{self.uuid}"
        return str(Arn.build("lambda", resource, region=self.region, account_id=self.account_id))

    @property
    def function_arn(self) -> str:
        """With its qualifier where it has one."""
        resource = f"function:{self.function_name}" + (f":{self.qualifier}" if self.qualifier else "")
        return str(Arn.build("lambda", resource, region=self.region, account_id=self.account_id))


def after_settling(mapping: EventSourceMapping) -> MappingState:
    """The state that lasts, once polling is as its owner wants."""
    return MappingState.ENABLED if mapping.enabled else MappingState.DISABLED
