"""The reconciler of provisioned concurrency: says what every version shall have, after every change and from time to time.

What it says is all there shall be, so that a lost nudge costs only time and a restart brings everything back. A version that
is still being prepared is said once it is ready, because its preparation is a change, too.
"""

from __future__ import annotations

from functools import partial

from sqlalchemy import Connection

from functory.aws.errors import AwsError
from functory.core.environments.provisioned import Wish
from functory.core.reconcile.job import Job
from functory.services.lambda_ import provisioned_rows, rows
from functory.services.lambda_.loader import candidate
from functory.services.lambda_.ports import Provisioner, Reservations
from functory.services.lambda_.provisioned import shares_of
from functory.services.lambda_.variables import Variables
from functory.store.port import Store

EVERY_S = 30.0
"""How soon memory that has become free is used."""


class Provisioning:
    """Hears of every change of a function (`commits.Memory`).

    Attributes:
        job: runs it.
    """

    def __init__(self, store: Store, variables: Variables, provisioner: Provisioner, reservations: Reservations) -> None:
        self._store = store
        self._variables = variables
        self._provisioner = provisioner
        self._reservations = reservations
        self.job = Job("lambda.provision", self.run, every_s=EVERY_S)

    def invalidate(self, _account_id: str, _region: str, _name: str) -> None:
        """See `commits.Memory`."""
        self.job.nudge()

    async def tell_all(self) -> None:
        """Have everything set aside that was asked for. Called once, at start."""
        places: dict[rows.Key, int] = {}
        for record in await self._store.read(provisioned_rows.list_all):
            key = (record.account_id, record.region, record.name)
            places[key] = places.get(key, 0) + record.requested
        for key, count in places.items():
            self._reservations.provision(*key, count)

    async def run(self) -> None:
        """Say it once."""
        self._provisioner.want(await self._store.read(partial(_wishes, variables=self._variables)))


def _wishes(conn: Connection, variables: Variables) -> dict[tuple[str, str, str, str], Wish]:
    wishes = {}
    for record in provisioned_rows.list_all(conn):
        key = (record.account_id, record.region, record.name)
        for version, count in shares_of(conn, record).items():
            try:
                found = candidate(conn, variables, key, version)
            except AwsError:
                continue  # its variables cannot be opened: every invocation says so
            if found is not None and found.facts is not None:
                wishes[*key, version] = Wish(found.facts, count, record.generation, record.qualifier)
    return wishes
