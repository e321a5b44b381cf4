"""The memory that this node may give to environments: a number, and who may take from it."""

from __future__ import annotations


class MemoryBudget:
    """Counts; never waits.

    Args:
        total_mib: of all environments and standbys together.
    """

    def __init__(self, total_mib: int) -> None:
        self.total_mib = total_mib
        self.free_mib = total_mib

    def reserve(self, mib: int) -> bool:
        """Take so much if it is free."""
        if self.free_mib < mib:
            return False
        self.free_mib -= mib
        return True

    def release(self, mib: int) -> None:
        """Give so much back."""
        self.free_mib += mib
