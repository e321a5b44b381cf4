"""How an environment that begins from a snapshot is told of: in REPORT, in the log, as platform events. Pure.

AWS: *Restore Duration* is everything from the decision to restore until the runtime asks for its first event; *Billed
Restore Duration* is the part in which code of the function's side runs (its runtime going on, and the after-restore hooks).
Billed Duration has the billed part in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

RESTORE_S = 10.0
"""How long a restore and the after-restore hooks may take together. AWS."""


@dataclass(frozen=True, slots=True)
class Restoration:
    """One restore.

    Attributes:
        total_ms: Restore Duration.
        running_ms: the part of it in which the runtime ran.
    """

    total_ms: float
    running_ms: float

    @property
    def billed_ms(self) -> int:
        """Billed Restore Duration."""
        return math.ceil(self.running_ms)

    @property
    def report(self) -> str:
        """What REPORT says of it."""
        return f"Restore Duration: {self.total_ms:.2f} ms\tBilled Restore Duration: {self.billed_ms} ms\t"


def report_line(total_ms: float, status: str = "", error_type: str = "") -> str:
    """RESTORE_REPORT; ``status`` and ``error_type`` for one that failed."""
    parts = [f"RESTORE_REPORT Restore Duration: {total_ms:.2f} ms"]
    parts += [f"Status: {status}"] if status else []
    parts += [f"Error Type: {error_type}"] if error_type else []
    return "\t".join(parts)
