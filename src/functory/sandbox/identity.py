"""A private range of host user and group ids for every sandbox.

Two sandboxes never share a host id, so that nothing that the kernel counts or checks by user (process limits, signals, key
rings, files) is shared either. Ranges are handed out round-robin, starting at a place derived from the node's run folder: a
range is not used again soon after its release, and two nodes on one machine rarely meet.
"""

from __future__ import annotations

from functory.sandbox.oci_spec import ID_RANGE
from functory.sandbox.port import SandboxError

FIRST_ID = 1 << 30  # far above what distributions and directory services hand out
SLOTS = 32_768


class IdRanges:
    """Hands out ranges of `ID_RANGE` ids."""

    def __init__(self, start: int = 0, first_id: int = FIRST_ID, slots: int = SLOTS) -> None:
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
                return self._first_id + slot * ID_RANGE
        raise SandboxError(f"all {self._slots} user id ranges are in use")

    def release(self, first_id: int) -> None:
        """Give a range back; fine when it was given back already."""
        self._used.discard((first_id - self._first_id) // ID_RANGE)
