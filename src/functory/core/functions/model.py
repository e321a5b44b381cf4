"""What the engine knows of a function: the frozen facts one invocation needs, and nothing of how they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

LATEST = "$LATEST"


@dataclass(frozen=True, slots=True)
class ImageOverrides:
    """What a function of a container image changes of the image's own settings; None keeps the image's.

    Attributes:
        entry_point: ImageConfig.EntryPoint.
        command: ImageConfig.Command.
        working_directory: ImageConfig.WorkingDirectory.
    """

    entry_point: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    working_directory: str | None = None


@dataclass(frozen=True, slots=True)
class FunctionVersion:
    """One version of a function (``$LATEST`` included), ready to be run.

    Immutable: a change of code or configuration makes a new value with a new ``epoch``; environments of an older epoch take
    no further invocation.

    Attributes:
        account_id: 12 digits.
        region: where it was created.
        name: function name alone.
        version: ``$LATEST`` or a number as text.
        epoch: changes whenever what an environment was made from changes (code, configuration); unique per change.
        code_key: blob key (hex SHA-256) of the zip.
        runtime: Lambda's runtime identifier.
        handler: as given; ``""`` when the runtime needs none.
        memory_mib: MemorySize.
        timeout_s: Timeout.
        ephemeral_mib: EphemeralStorage.Size.
        environment: the user's variables.
        role: execution role ARN.
        log_group: where its logs go.
        log_format: ``Text`` or ``JSON``.
        application_log_level: with JSON: TRACE … FATAL, else ``""``.
        system_log_level: with JSON: DEBUG, INFO, WARN, else ``""``.
        custom_log_group: whether LoggingConfig named the group (changes the stream's name).
        dead_letter_arn: DeadLetterConfig.TargetArn or ``""``.
        image: set for a container image; ``code_key`` is its digest then, ``runtime`` and ``handler`` are ``""``.
        layer_keys: blob keys of the layers' zips, in the order of ``Layers``: later ones override earlier ones in ``/opt``.
        file_systems: access point ARN and the path under ``/mnt`` where it is seen, of each.
        is_traced: whether invocations are sampled of which nobody has decided that yet.
        runtime_pin: ARN of the only runtime version it may run with, or ``""``.
        snap_start: whether its environments begin from a snapshot (a published version with SnapStart).
        isolation: what its tags ask for (see `functory.core.functions.isolation`), or ``""``; part of ``epoch``.
    """

    account_id: str
    region: str
    name: str
    version: str
    epoch: str
    code_key: str
    runtime: str
    handler: str
    memory_mib: int = 128
    timeout_s: int = 3
    ephemeral_mib: int = 512
    environment: Mapping[str, str] = field(default_factory=dict)
    role: str = ""
    log_group: str = ""
    log_format: str = "Text"
    application_log_level: str = ""
    system_log_level: str = ""
    custom_log_group: bool = False
    dead_letter_arn: str = ""
    image: ImageOverrides | None = None
    layer_keys: tuple[str, ...] = ()
    runtime_pin: str = ""
    file_systems: tuple[tuple[str, str], ...] = ()
    is_traced: bool = False
    isolation: str = ""
    snap_start: bool = False

    @property
    def arn(self) -> str:
        """The unqualified function ARN."""
        return f"arn:aws:lambda:{self.region}:{self.account_id}:function:{self.name}"
