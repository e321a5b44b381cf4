"""Identifiers and randomness as an injected value, so that a simulation can be replayed from its seed."""

from __future__ import annotations

import os
import random
import uuid
from typing import Protocol


class Ids(Protocol):
    """Where identifiers and random choices come from."""

    def uuid(self) -> str:
        """A random UUID (version 4) as 36 lower-case characters: request ids, revision ids."""

    def hex(self, digits: int) -> str:
        """``digits`` random lower-case hexadecimal digits."""

    def fraction(self) -> float:
        """A uniform random number in [0, 1)."""


class SystemIds:
    """Identifiers from the operating system's random source."""

    def __init__(self) -> None:
        self._random = random.Random()

    def uuid(self) -> str:
        """See `Ids`."""
        return str(uuid.UUID(bytes=os.urandom(16), version=4))

    def hex(self, digits: int) -> str:
        """See `Ids`."""
        return os.urandom((digits + 1) // 2).hex()[:digits]

    def fraction(self) -> float:
        """See `Ids`."""
        return self._random.random()


class SeededIds:
    """Reproducible identifiers for tests and simulations; never for a running node."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def uuid(self) -> str:
        """See `Ids`."""
        return str(uuid.UUID(bytes=self._random.randbytes(16), version=4))

    def hex(self, digits: int) -> str:
        """See `Ids`."""
        return self._random.randbytes((digits + 1) // 2).hex()[:digits]

    def fraction(self) -> float:
        """See `Ids`."""
        return self._random.random()
