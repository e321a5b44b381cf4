"""Recursive loops, found in the trace header that invocations hand on. Pure.

**Theory.** The field ``Lineage`` of a trace header says which resources a chain of invocations went through, and how often:
``Lineage=1:<resource>:<trips>|…``. Each invocation adds its own trip before the function sees the header; AWS's SDKs inside
functions send the header they were given with every call, so the next invocation of the chain sees the count. A function
that would make its 17th trip is in a loop. Retries of one event are one trip. Who drops the header leaves the chain.

The count is a claim of the caller; it protects owners of functions from their own mistakes, and from nothing else.

AWS: "Use Lambda recursive loop detection to prevent infinite loops"; the form of the field follows AWS's answers.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

TRIPS_MAX = 16
RESOURCES_MAX = 16
"""Resources remembered in one header; beyond that those with the fewest trips are forgotten."""
_FIELD = "Lineage="
_ENTRY = re.compile(r"([0-9a-f]{8}):([0-9]{1,4})", re.ASCII)
_VERSION = "1:"


def resource_id(arn: str) -> str:
    """What stands for a resource in the field: 8 hexadecimal digits."""
    return hashlib.sha256(arn.encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Trip:
    """One more step of a chain.

    Attributes:
        header: the trace header that the function gets.
        trips: how often the chain went through this resource before.
    """

    header: str
    trips: int

    @property
    def is_loop(self) -> bool:
        """Whether the chain has been here as often as it may."""
        return self.trips >= TRIPS_MAX


def next_trip(header: str, resource: str) -> Trip:
    """The chain of a trace header after one more trip through ``resource``.

    Args:
        header: ``Root=…;Parent=…;Sampled=…`` and perhaps ``Lineage=…``; SDKs send ``|`` percent-encoded.
        resource: see `resource_id`.
    """
    if _FIELD not in header:
        return Trip(f"{header};{_FIELD}{_VERSION}{resource}:0", 0)
    fields = re.sub("%7c", "|", header, flags=re.IGNORECASE).split(";")
    known: dict[str, int] = {}
    for field in fields:
        if field.startswith(_FIELD):
            known |= {name: int(trips) for name, trips in _ENTRY.findall(field.removeprefix(_FIELD))}
    trips = known[resource] + 1 if resource in known else 0
    others = sorted((entry for entry in known.items() if entry[0] != resource), key=lambda entry: -entry[1])
    entries = [(resource, trips), *others[: RESOURCES_MAX - 1]]
    kept = [field for field in fields if not field.startswith(_FIELD)]
    lineage = "|".join(f"{name}:{count}" for name, count in entries)
    return Trip(";".join([*kept, f"{_FIELD}{_VERSION}{lineage}"]), trips)
