"""The memory that this node may give to environments: a number, who may take from it, and whether the machine still has it.

**Theory.** Environments are promised their MemorySize and rarely use it, so the sum of promises (the *budget*) says little
about the machine, and nothing about what other programs on it use. So besides the budget the kernel is asked what is still
available: an environment is started only when enough is left afterwards that nothing must be killed for it.

A start needs some time until the kernel's number shows it, and so does an end. Until then it is counted by a guess.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from functory.kernel import log

START_MIB = 64
"""What a new environment is taken to need at once, whatever its MemorySize."""
_TAKEN_S = 2.0
_FREED_S = 0.5
"""How long the kernel's number may not show a start, or an end."""
_READ_S = 0.05

_log = log.get("core.memory")


class MemoryMeter(Protocol):
    """Asks the machine."""

    def available_mib(self) -> int | None:
        """What could be given to programs now without taking it from others; None when unknown."""


class MemoryBudget:
    """Counts; never waits.

    Args:
        total_mib: of all environments and standbys together.
        meter: None: the machine is not asked.
        keep_mib: what the machine must have available after a start.
    """

    def __init__(self, total_mib: int, meter: MemoryMeter | None = None, keep_mib: int = 0) -> None:
        self.total_mib = total_mib
        self.free_mib = total_mib
        self._meter = meter if keep_mib > 0 else None
        self._keep_mib = keep_mib
        self._read_at = -_READ_S
        self._read_mib: int | None = None
        self._unseen: deque[tuple[float, int]] = deque()
        self._was_short = False

    def reserve(self, mib: int) -> bool:
        """Take so much if it is free, and if the machine has it."""
        if self.free_mib < mib or self.is_short():
            return False
        self.free_mib -= mib
        self._note(-min(mib, START_MIB), _TAKEN_S)
        return True

    def release(self, mib: int) -> None:
        """Give so much back."""
        self.free_mib += mib
        self._note(min(mib, START_MIB), _FREED_S)

    def is_short(self) -> bool:
        """Whether the machine has no memory for one more environment."""
        if self._meter is None:
            return False
        available = self._available(self._meter)
        short = available is not None and available < self._keep_mib + START_MIB
        if short != self._was_short:
            self._was_short = short
            _log.warning("machine_is_short_of_memory" if short else "machine_has_memory_again", available_mib=available)
        return short

    def _available(self, meter: MemoryMeter) -> int | None:
        now = asyncio.get_running_loop().time()
        if now - self._read_at >= _READ_S:
            self._read_at, self._read_mib = now, meter.available_mib()
        self._unseen = deque(each for each in self._unseen if each[0] > now)
        return None if self._read_mib is None else self._read_mib + sum(mib for _, mib in self._unseen)

    def _note(self, mib: int, for_s: float) -> None:
        if self._meter is not None:
            self._unseen.append((asyncio.get_running_loop().time() + for_s, mib))
