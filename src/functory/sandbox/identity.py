"""A private range of host user and group ids for every sandbox.

Two sandboxes never share a host id, so that nothing that the kernel counts or checks by user (process limits, signals, key
rings, files) is shared either. Ranges are handed out round-robin, starting at a place derived from the node's run folder: a
range is not used again soon after its release, and two nodes on one machine rarely meet.
"""

from __future__ import annotations

from typing import Protocol

from functory.sandbox.oci_spec import FEW, ID_RANGE, Layout
from functory.sandbox.port import SandboxError

FIRST_ID = 1 << 30  # far above what distributions and directory services hand out
SLOTS = 32_768


class Ids(Protocol):
    """Hands out ids to sandboxes.

    Attributes:
        layout: what a sandbox gets.
    """

    layout: Layout

    def take(self) -> int:
        """The first id of a sandbox.

        Raises:
            SandboxError: all are in use.
        """

    def release(self, first_id: int) -> None:
        """Give them back; fine when they were given back already."""


class OwnId:
    """The node's only id, which all sandboxes share."""

    layout: Layout = "own"

    def take(self) -> int:
        """See `Ids`."""
        return 0

    def release(self, first_id: int) -> None:
        """See `Ids`."""


def ids_for(count: int, start: int) -> Ids:
    """What sandboxes can have where the node has so many ids beside its root (-1: all of the machine).

    Args:
        start: where to begin, see `IdRanges`.
    """
    if count < 0:
        return IdRanges(start)
    return IdRanges(start, 1, count // FEW, FEW) if count >= FEW else OwnId()


class IdRanges:
    """Hands out ranges of ``size`` ids."""

    def __init__(self, start: int = 0, first_id: int = FIRST_ID, slots: int = SLOTS, size: int = ID_RANGE) -> None:
        self.layout: Layout = "range" if size == ID_RANGE else "few"
        self._size = size
        self._first_id = first_id
        self._slots = slots
        self._next = start % slots
        self._used: set[int] = set()

    def take(self) -> int:
        """The first id of a free range.

        Raises:
            SandboxError: all are in use.
        """
        for _ in range(self._slots):
            slot = self._next
            self._next = (slot + 1) % self._slots
            if slot not in self._used:
                self._used.add(slot)
                return self._first_id + slot * self._size
        raise SandboxError(f"all {self._slots} user id ranges are in use")

    def release(self, first_id: int) -> None:
        """Give a range back; fine when it was given back already."""
        self._used.discard((first_id - self._first_id) // self._size)
