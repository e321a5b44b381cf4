"""State machines as tables.

A lifecycle is one file: an enum of states, a `StateTable` of the moves that exist, and its theory in the docstring.
Everything not in the table is denied; a denied move raises and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Generic, TypeVar

from functory.kernel.errors import FunctoryError

S = TypeVar("S", bound=Enum)


class IllegalTransition(FunctoryError):  # noqa: N818  the field's word, and callers read it as one
    """A move that the table does not have."""

    def __init__(self, machine: str, source: Enum, target: Enum) -> None:
        super().__init__(f"{machine}: no transition from {source.name} to {target.name}")
        self.machine = machine
        self.source = source
        self.target = target


class StateTable(Generic[S]):
    """Which state may follow which.

    Args:
        name: what the machine is called in errors and logs.
        moves: for every state the set of states that may follow; a state without followers is final.
    """

    def __init__(self, name: str, moves: Mapping[S, frozenset[S]]) -> None:
        self.name = name
        self._moves = dict(moves)
        states = set(type(next(iter(moves))))
        if set(moves) != states:
            missing = sorted(state.name for state in states - set(moves))
            raise ValueError(f"{name}: states without a row: {missing}")

    def allows(self, source: S, target: S) -> bool:
        """Whether ``target`` may follow ``source``."""
        return target in self._moves[source]

    def check(self, source: S, target: S) -> S:
        """``target`` if it may follow ``source``.

        Raises:
            IllegalTransition: it may not.
        """
        if target not in self._moves[source]:
            raise IllegalTransition(self.name, source, target)
        return target

    def is_final(self, state: S) -> bool:
        """Whether nothing may follow ``state``."""
        return not self._moves[state]
