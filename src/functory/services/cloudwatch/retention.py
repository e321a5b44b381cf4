"""The reconciler that makes old points coarser.

AWS: points of a second are kept for three hours, of a minute for 15 days, of five minutes for 63 days, of an hour for 455
days.
"""

from __future__ import annotations

from functools import partial

from functory.services.cloudwatch import rows
from functory.services.cloudwatch.room import Room
from functory.services.cloudwatch.series import DAY_S

EVERY_S = 600.0
STEPS = ((1, 60, 3 * 3600), (60, 300, 15 * DAY_S), (300, 3600, 63 * DAY_S))
"""Period, the longer one it becomes, and after how many seconds."""
LONGEST_S, KEPT_S = 3600, 455 * DAY_S
_BATCH = 1000


class Retention:
    """One run makes everything coarser that is due."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def run(self) -> None:
        """Work in batches until nothing is due."""
        now, store = int(self._room.clock.epoch_s()), self._room.store
        for period_s, longer_s, age_s in STEPS:
            before = (now - age_s) // longer_s * longer_s
            coarser = partial(rows.roll_up, period_s=period_s, to_period_s=longer_s, before=before, limit=_BATCH)
            while await store.write(coarser) == _BATCH:
                pass
        gone = now - KEPT_S
        while await store.write(partial(rows.expire, period_s=LONGEST_S, before=gone, limit=_BATCH)) == _BATCH:
            pass
        await store.write(partial(rows.forget_metrics, before=gone))
