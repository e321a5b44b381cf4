"""When to start more environments. Pure: numbers in, a number out.

AWS gives every call that finds no idle environment a new one. From outside only latency shows which environment served a
call, so where a busy one will be free sooner than a new one could be started, waiting is better for everybody. A waiter
that was kept longer than a start takes gets a start after all, whatever the estimate said.
"""

from __future__ import annotations

from dataclasses import dataclass

PATIENCE_S = 0.02
"""How long a waiter relies on the estimate before it is looked at again."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What is known about one function version at one moment.

    Attributes:
        waiting: invocations without an environment.
        overdue: those of them that have waited longer than `PATIENCE_S`.
        running: environments that exist, all of them busy.
        starting: environments being started.
        mean_s: recent mean duration of an invocation, or None before the first has ended.
        start_s: recent duration of a start.
    """

    waiting: int
    overdue: int
    running: int
    starting: int
    mean_s: float | None
    start_s: float


def starts_needed(demand: Demand) -> int:
    """How many environments to start now."""
    if demand.running == 0 or demand.mean_s is None:
        wanted = demand.waiting
    else:
        served_in_time = int(demand.running * demand.start_s / max(demand.mean_s, 1e-6))
        wanted = max(demand.overdue, demand.waiting - served_in_time)
    return max(0, min(wanted, demand.waiting) - demand.starting)
