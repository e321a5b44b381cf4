"""Which invocations of functions with active tracing are sampled.

AWS: the first request of each second, and 5 % of the others; a decision that the caller made holds.
"""

from __future__ import annotations

from functory.kernel.clock import Clock
from functory.kernel.ids import Ids

SHARE = 0.05
FUNCTIONS_MAX = 10_000
"""Functions whose current second is remembered; the oldest is forgotten."""


class Sampler:
    """Decides, and remembers when it last sampled each function."""

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids
        self._sampled_in: dict[str, int] = {}

    def decide(self, function: str) -> bool:
        """Whether to sample this request of ``function``."""
        second = int(self._clock.epoch_s())
        if self._sampled_in.get(function) == second:
            return self._ids.fraction() < SHARE
        self._sampled_in.pop(function, None)
        while len(self._sampled_in) >= FUNCTIONS_MAX:
            del self._sampled_in[next(iter(self._sampled_in))]
        self._sampled_in[function] = second
        return True
