"""The node's memory for environments."""

from __future__ import annotations

from functory.core.environments.memory import MemoryBudget


def test_what_is_taken_is_not_there_until_it_is_given_back() -> None:
    memory = MemoryBudget(100)
    assert memory.reserve(60)
    assert not memory.reserve(41)
    assert memory.free_mib == 40
    memory.release(60)
    assert memory.reserve(100)
