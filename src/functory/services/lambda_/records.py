"""What the tables hold, as values, and the moves a version can make. Pure.

A `VersionRecord` never changes; its methods return the record after the move, or raise `IllegalTransition`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from functory.core.functions.isolation import epoch_of
from functory.core.functions.model import LATEST, FunctionVersion, ImageOverrides
from functory.core.functions.routes import Candidate, Readiness
from functory.services.lambda_.layers_records import LayerUse
from functory.services.lambda_.lifecycle import CREATING_CODE, CREATING_REASON, STATES, UPDATES, State, UpdateStatus


class Image(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The container image of a version.

    Attributes:
        uri: ImageUri as given.
        resolved_uri: the same by digest.
        entry_point: of ImageConfig, None when not given; likewise the two others.
    """

    uri: str
    resolved_uri: str
    entry_point: list[str] | None = None
    command: list[str] | None = None
    working_directory: str | None = None

    @property
    def overrides(self) -> ImageOverrides:
        """For the engine. AWS: an empty list or text counts as none given."""
        return ImageOverrides(
            tuple(self.entry_point) if self.entry_point else None,
            tuple(self.command) if self.command else None,
            self.working_directory or None,
        )


class FileSystem(msgspec.Struct, frozen=True):
    """An access point, and where the function sees it."""

    arn: str
    path: str


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration of a version: what it needs to run and what AWS shows.

    Attributes:
        environment: of rows before variables were sealed, else None.
        log_group: as given in LoggingConfig, ``""`` for the default.
        log_format: ``Text`` or ``JSON``.
        application_log_level: with JSON, else ``""``.
        system_log_level: with JSON, else ``""``.
        vpc_shown: whether an (empty) VpcConfig was given, which AWS then shows.
        image: of a container image, None for a zip; ``runtime`` and ``handler`` are ``""`` then.
        layers: in order.
        sealed_environment: see `variables`; ``""`` when none was ever set.
        kms_key_arn: KMSKeyArn as given, or ``""``.
        file_systems: FileSystemConfigs.
        tracing: mode of TracingConfig, ``""`` for ``PassThrough``.
        tenancy: TenantIsolationMode, ``""`` without; set with the function, for ever.
        snap_start: whether published versions get a snapshot.
        dead_letter_arn: DeadLetterConfig.TargetArn, or ``""``.
    """

    runtime: str
    role: str
    handler: str = ""
    description: str = ""
    timeout_s: int = 3
    memory_mib: int = 128
    ephemeral_mib: int = 512
    architecture: str = "x86_64"
    environment: dict[str, str] | None = None
    log_group: str = ""
    log_format: str = "Text"
    application_log_level: str = ""
    system_log_level: str = ""
    vpc_shown: bool = False
    image: Image | None = None
    layers: tuple[LayerUse, ...] = ()
    tenancy: str = ""
    sealed_environment: str = ""
    kms_key_arn: str = ""
    snap_start: bool = False
    file_systems: tuple[FileSystem, ...] = ()
    tracing: str = ""
    dead_letter_arn: str = ""


class Stamp(msgspec.Struct, frozen=True):
    """What a unit of work may not make itself, since it may run twice: the time and fresh identifiers.

    Attributes:
        now: epoch seconds.
        revision_id: for the row that changes.
        epoch: for the row that changes.
        published_revision_id: for a version published in the same unit.
        published_epoch: likewise.
    """

    now: float
    revision_id: str
    epoch: str
    published_revision_id: str
    published_epoch: str


class Code(msgspec.Struct, frozen=True):
    """A stored package.

    Attributes:
        key: blob key.
        zipped_bytes: AWS's ``CodeSize``.
        unzipped_bytes: counted towards code storage.
    """

    key: str
    zipped_bytes: int
    unzipped_bytes: int


class FunctionRecord(msgspec.Struct, frozen=True):
    """A function apart from its versions; what has the default None was never set."""

    account_id: str
    region: str
    name: str
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    published_version: str = ""
    published_digest: str = ""
    reserved_concurrency: int | None = None
    recursive_loop: str | None = None
    code_signing_config: str | None = None


class AliasRecord(msgspec.Struct, frozen=True):
    """An alias; ``extra_version`` is ``""`` without a routing configuration."""

    account_id: str
    region: str
    name: str
    alias: str
    version: str
    revision_id: str
    description: str = ""
    extra_version: str = ""
    extra_weight: float = 0.0


class VersionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One version; see ``tables`` for the columns."""

    account_id: str
    region: str
    name: str
    version: str
    config: Config
    code: Code
    revision_id: str
    epoch: str
    modified_at: float
    number: int = 0
    state: State = State.PENDING
    state_reason: str = CREATING_REASON
    state_reason_code: str = CREATING_CODE
    update_status: UpdateStatus = UpdateStatus.NEVER
    update_reason: str = ""
    update_reason_code: str = ""
    live_epoch: str = ""
    live_code_key: str = ""
    live_config: Config | None = None

    @property
    def arn(self) -> str:
        """The unqualified function ARN."""
        return f"arn:aws:lambda:{self.region}:{self.account_id}:function:{self.name}"

    @property
    def is_unsettled(self) -> bool:
        """Whether the reconciler has to do something."""
        return self.state is State.PENDING or self.update_status is UpdateStatus.IN_PROGRESS

    @property
    def begins_from_snapshot(self) -> bool:
        """Whether its environments do: a published version with SnapStart."""
        return self.config.snap_start and self.version != LATEST

    @property
    def digest(self) -> str:
        """Equal for two contents of ``$LATEST`` that publish the same version."""
        config = msgspec.to_builtins(self.config, order="deterministic")
        if not self.config.layers:
            del config["layers"]  # as digests were before there were layers
        for member in (
            "tenancy",
            "sealed_environment",
            "kms_key_arn",
            "snap_start",
            "file_systems",
            "tracing",
            "dead_letter_arn",
        ):
            if not config[member]:
                del config[member]
        return hashlib.sha256(self.code.key.encode() + msgspec.json.encode(config)).hexdigest()

    def changed(self, stamp: Stamp, *, config: Config | None = None, code: Code | None = None) -> VersionRecord:
        """After an accepted update: to be prepared again.

        Raises:
            IllegalTransition: it is pending or being updated.
        """
        record = msgspec.structs.replace(
            self,
            config=config or self.config,
            code=code or self.code,
            revision_id=stamp.revision_id,
            epoch=stamp.epoch,
            modified_at=stamp.now,
        )
        if self.state is State.ACTIVE:
            return msgspec.structs.replace(
                record,
                update_status=UPDATES.check(self.update_status, UpdateStatus.IN_PROGRESS),
                update_reason=CREATING_REASON,
                update_reason_code=CREATING_CODE,
            )
        return record.again(stamp.revision_id)

    def again(self, revision_id: str) -> VersionRecord:
        """After a failed preparation: to be prepared once more.

        Raises:
            IllegalTransition: it did not fail.
        """
        if self.state is State.ACTIVE:
            return msgspec.structs.replace(
                self,
                update_status=UPDATES.check(self.update_status, UpdateStatus.IN_PROGRESS),
                update_reason=CREATING_REASON,
                update_reason_code=CREATING_CODE,
                revision_id=revision_id,
            )
        return msgspec.structs.replace(
            self,
            state=STATES.check(self.state, State.PENDING),
            state_reason=CREATING_REASON,
            state_reason_code=CREATING_CODE,
            revision_id=revision_id,
        )

    def prepared(self, revision_id: str) -> VersionRecord:
        """After a successful preparation: what the row says is what runs."""
        state = STATES.check(self.state, State.ACTIVE) if self.state is not State.ACTIVE else self.state
        return msgspec.structs.replace(
            self,
            state=state,
            state_reason="",
            state_reason_code="",
            update_status=UPDATES.check(self.update_status, UpdateStatus.SUCCESSFUL),
            update_reason="",
            update_reason_code="",
            revision_id=revision_id,
            live_epoch=self.epoch,
            live_code_key=self.code.key,
            live_config=self.config,
        )

    def failed(self, revision_id: str, code: str, reason: str) -> VersionRecord:
        """After a preparation that cannot succeed."""
        if self.state is State.ACTIVE:
            return msgspec.structs.replace(
                self,
                update_status=UPDATES.check(self.update_status, UpdateStatus.FAILED),
                update_reason=reason,
                update_reason_code=code,
                revision_id=revision_id,
            )
        return msgspec.structs.replace(
            self,
            state=STATES.check(self.state, State.FAILED),
            state_reason=reason,
            state_reason_code=code,
            revision_id=revision_id,
        )

    def published(self, number: int, stamp: Stamp, description: str | None) -> VersionRecord:
        """The version ``number``, a copy of this ``$LATEST``."""
        config = self.config if description is None else msgspec.structs.replace(self.config, description=description)
        return VersionRecord(
            account_id=self.account_id,
            region=self.region,
            name=self.name,
            version=str(number),
            number=number,
            config=config,
            code=self.code,
            revision_id=stamp.published_revision_id,
            epoch=stamp.published_epoch,
            modified_at=stamp.now,
        )

    def candidate(self, isolation: str, environment: Mapping[str, str]) -> Candidate:
        """What the engine may run of it, with what the function's tags ask for."""
        if self.live_config is not None:
            return Candidate(
                self.version, Readiness.READY, self._facts(self.live_config, isolation, environment), self.state.value
            )
        readiness = Readiness.FAILED if self.state is State.FAILED else Readiness.PREPARING
        return Candidate(
            self.version, readiness, None, self.state.value, self.state_reason, snap_start=self.begins_from_snapshot
        )

    def _facts(self, config: Config, isolation: str, environment: Mapping[str, str]) -> FunctionVersion:
        default_group = f"/aws/lambda/{self.name}"
        return FunctionVersion(
            account_id=self.account_id,
            region=self.region,
            name=self.name,
            version=self.version,
            epoch=epoch_of(self.live_epoch, isolation),
            code_key=self.live_code_key,
            runtime=config.runtime,
            handler=config.handler,
            memory_mib=config.memory_mib,
            timeout_s=config.timeout_s,
            ephemeral_mib=config.ephemeral_mib,
            environment=environment,
            role=config.role,
            log_group=config.log_group or default_group,
            log_format=config.log_format,
            application_log_level=config.application_log_level,
            system_log_level=config.system_log_level,
            custom_log_group=config.log_group not in ("", default_group),
            image=config.image.overrides if config.image else None,
            layer_keys=tuple(layer.key for layer in config.layers),
            isolation=isolation,
            snap_start=self.begins_from_snapshot,
            file_systems=tuple((each.arn, each.path) for each in config.file_systems),
            dead_letter_arn=config.dead_letter_arn,
            is_traced=config.tracing == "Active",
        )


def created(key: tuple[str, str, str], config: Config, code: Code, stamp: Stamp) -> VersionRecord:
    """``$LATEST`` of a new function (account, region, name)."""
    account_id, region, name = key
    return VersionRecord(
        account_id=account_id,
        region=region,
        name=name,
        version=LATEST,
        config=config,
        code=code,
        revision_id=stamp.revision_id,
        epoch=stamp.epoch,
        modified_at=stamp.now,
    )


def version_row(record: VersionRecord) -> dict[str, Any]:
    """A version as columns."""
    return {
        "account_id": record.account_id,
        "region": record.region,
        "name": record.name,
        "version": record.version,
        "number": record.number,
        "config": msgspec.json.encode(record.config).decode(),
        "code_key": record.code.key,
        "code_bytes": record.code.zipped_bytes,
        "unzipped_bytes": record.code.unzipped_bytes,
        "state": record.state.value,
        "state_reason": record.state_reason,
        "state_reason_code": record.state_reason_code,
        "update_status": record.update_status.value,
        "update_reason": record.update_reason,
        "update_reason_code": record.update_reason_code,
        "revision_id": record.revision_id,
        "epoch": record.epoch,
        "modified_at": record.modified_at,
        "unsettled": int(record.is_unsettled),
        "live_epoch": record.live_epoch,
        "live_code_key": record.live_code_key,
        "live_config": msgspec.json.encode(record.live_config).decode() if record.live_config else "",
    }


def version_record(row: Any) -> VersionRecord:
    """Columns as a version; ``row`` has the columns of ``tables.VERSIONS`` as attributes."""
    return VersionRecord(
        account_id=row.account_id,
        region=row.region,
        name=row.name,
        version=row.version,
        number=row.number,
        config=msgspec.json.decode(row.config, type=Config),
        code=Code(row.code_key, row.code_bytes, row.unzipped_bytes),
        state=State(row.state),
        state_reason=row.state_reason,
        state_reason_code=row.state_reason_code,
        update_status=UpdateStatus(row.update_status),
        update_reason=row.update_reason,
        update_reason_code=row.update_reason_code,
        revision_id=row.revision_id,
        epoch=row.epoch,
        modified_at=row.modified_at,
        live_epoch=row.live_epoch,
        live_code_key=row.live_code_key,
        live_config=msgspec.json.decode(row.live_config, type=Config) if row.live_config else None,
    )
