"""What the controller needs of a kind of source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from functory.core.mappings.model import EventSourceMapping


class Poller(Protocol):
    """Polls for one mapping as it was when the poller was made."""

    async def run(self) -> None:
        """Poll until `stop`; returns when no batch is under way any more.

        Cancellation: batches under way are cut; their records come again.
        """

    def stop(self) -> None:
        """Take no more records; batches under way go on."""

    @property
    def has_stopped(self) -> bool:
        """Whether it takes no more records; batches may still be under way."""


class SourceRoles(Protocol):
    """Knows whether functions may read what feeds them: a source is read with the function's role."""

    async def may(self, mapping: EventSourceMapping, action: str) -> bool:
        """Whether the role of the mapping's function allows an action (``sqs:ReceiveMessage``) on its source."""


class Source(Protocol):
    """One kind of event source."""

    async def check(self, mapping: EventSourceMapping, timeout_s: int) -> None:
        """Whether such a mapping could work.

        Args:
            mapping: not yet kept.
            timeout_s: of its function.

        Raises:
            AwsError: it could not.
        """

    def poller(self, mapping: EventSourceMapping, stopped: Callable[[], None]) -> Poller:
        """What polls for it; ``stopped`` is called when it has come to take no more records."""
