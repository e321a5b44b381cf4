"""What the resources of this service share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from functory.core.artifacts.images import Images
from functory.core.functions.catalogue import Functions
from functory.core.invocations.port import Invoker
from functory.core.mappings.controller import Mappings
from functory.core.targets.registry import Targets
from functory.kernel.clock import Clock
from functory.kernel.ids import Ids
from functory.kernel.settings import LambdaSettings
from functory.runtimes.port import RuntimeCatalog
from functory.services.lambda_ import view
from functory.services.lambda_.commits import Commits
from functory.services.lambda_.links import CodeLinks
from functory.services.lambda_.packages import Packages
from functory.services.lambda_.ports import (
    ExecutionRoles,
    FileSystems,
    Isolations,
    Provisioner,
    Reservations,
    Snapshots,
)
from functory.services.lambda_.records import Stamp, VersionRecord
from functory.services.lambda_.runtime_versions import RuntimeVersions
from functory.services.lambda_.signing import Signatures
from functory.services.lambda_.variables import Variables
from functory.store.port import Store


@dataclass(frozen=True, slots=True)
class Room:
    """The service's surroundings.

    Attributes:
        store: for reads; changes of functions go through `commits`.
        commits: see `Commits`.
        packages: see `Packages`.
        images: container images of this node.
        functions: the catalogue in memory.
        invoker: the engine.
        runtimes: which runtimes exist.
        clock: time.
        ids: identifiers and randomness.
        links: for code locations.
        settings: the service's section.
        machine: architecture of this machine in AWS's words.
        reservations: who enforces reserved concurrency.
        provisioner: who keeps provisioned environments.
        signatures: reads the signatures of packages.
        file_systems: access points of this node.
        variables: environment variables, sealed and opened.
        runtime_versions: which versions of their runtimes functions run with.
        isolations: how functions can be isolated here.
        snapshots: who keeps the snapshots of SnapStart.
        targets: who receives what destinations are sent.
        mappings: what polls event sources.
        roles: which roles functions may have.
        nudge: there is something to prepare.
    """

    store: Store
    commits: Commits
    packages: Packages
    images: Images
    functions: Functions
    invoker: Invoker
    runtimes: RuntimeCatalog
    clock: Clock
    ids: Ids
    links: CodeLinks
    settings: LambdaSettings
    machine: str
    reservations: Reservations
    provisioner: Provisioner
    isolations: Isolations
    runtime_versions: RuntimeVersions
    variables: Variables
    snapshots: Snapshots
    file_systems: FileSystems
    signatures: Signatures
    targets: Targets
    mappings: Mappings
    roles: ExecutionRoles
    nudge: Callable[[], None]

    async def shown(self, record: VersionRecord, qualifier: str = "") -> dict[str, Any]:
        """``FunctionConfiguration`` of a version; see `view.configuration`."""
        return view.configuration(record, qualifier, self.variables.shown(record), await self.runtime_versions.shown(record))

    def summary(self, record: VersionRecord, qualifier: str = "") -> dict[str, Any]:
        """An entry of a list; see `view.summary`."""
        return view.summary(record, qualifier, self.variables.shown(record))

    def stamp(self) -> Stamp:
        """Time and fresh identifiers for one change."""
        ids = self.ids
        return Stamp(self.clock.epoch_s(), ids.uuid(), ids.uuid(), ids.uuid(), ids.uuid())
