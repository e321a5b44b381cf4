"""What the Lambda service accepts: validation and defaults, pure.

The model's own constraints were checked before; here are AWS's tighter limits, its reserved words, and the table of what AWS
has and this version of Functory has not. Nothing is silently accepted: a member is refused unless its value is one that asks
for nothing (`UNSUPPORTED`), and ``coverage.toml`` says the same (a test compares the two).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from functory.aws.errors import AwsError
from functory.kernel.limits import (
    CODE_ZIPPED_BYTES,
    ENVIRONMENT_BYTES,
    EPHEMERAL_MIB_MAX,
    MEMORY_MIB_MAX,
    TAGS_PER_RESOURCE,
    TIMEOUT_S_MAX,
)
from functory.runtimes.port import RuntimeCatalog
from functory.services.lambda_ import dead_letters, errors, file_systems

RESERVED_VARIABLES = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_MAX_CONCURRENCY",
        "AWS_LAMBDA_METADATA_API",
        "AWS_LAMBDA_METADATA_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SECRET_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)
"""AWS: "Defined runtime environment variables", the reserved ones."""

RETIRED_RUNTIMES = frozenset(
    {
        "nodejs",
        "nodejs4.3",
        "nodejs4.3-edge",
        "nodejs6.10",
        "nodejs8.10",
        "nodejs10.x",
        "nodejs12.x",
        "nodejs14.x",
        "nodejs16.x",
        "nodejs18.x",
        "python2.7",
        "python3.6",
        "python3.7",
        "python3.8",
        "python3.9",
        "dotnetcore1.0",
        "dotnetcore2.0",
        "dotnetcore2.1",
        "dotnetcore3.1",
        "dotnet6",
        "ruby2.5",
        "ruby2.7",
        "java8",
        "go1.x",
        "provided",
    }
)
"""AWS: runtimes no function can be created or updated with any more; ours wins where it still has one of them."""

ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
"""What ``platform.machine()`` says, in AWS's words."""


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A member that does not work yet.

    Attributes:
        member: its path from the operation's input, dots between.
        is_harmless: which values ask for nothing, and are accepted.
        value: the refused value when others of the same member work, for the text and ``coverage.toml``.
    """

    member: str
    is_harmless: Callable[[Any], bool] = lambda _: False
    value: str = ""

    @property
    def label(self) -> str:
        """As ``coverage.toml`` calls it."""
        return f"{self.member}={self.value}" if self.value else self.member


def _all_empty(value: Any) -> bool:
    """Whether a structure, list or text asks for nothing."""
    if isinstance(value, Mapping):
        return all(_all_empty(part) for part in value.values())
    return value in ("", False) or (isinstance(value, Sequence) and not value)


_CONFIGURATION = (
    Unsupported("VpcConfig", _all_empty),
    Unsupported("DeadLetterConfig", dead_letters.names_no_topic, "SNS"),
    Unsupported("KMSKeyArn", lambda value: not value or value.endswith(":alias/aws/lambda")),
    Unsupported("FileSystemConfigs", file_systems.asks_for_nothing_more, "S3FilesConfig"),
    Unsupported("CapacityProviderConfig"),
    Unsupported("DurableConfig"),
    Unsupported("RuntimeConfig"),
    Unsupported("AcceleratorConfig"),
)

_SOURCES = ("S3Bucket", "S3Key", "S3ObjectVersion", "S3ObjectStorageMode")

UNSUPPORTED: Mapping[str, tuple[Unsupported, ...]] = {
    "CreateFunction": (
        *_CONFIGURATION,
        *(Unsupported(f"Code.{source}") for source in _SOURCES),
        Unsupported("Code.SourceKMSKeyArn", _all_empty),
        Unsupported("PublishTo"),
    ),
    "UpdateFunctionConfiguration": _CONFIGURATION,
    "UpdateFunctionCode": (
        *(Unsupported(source) for source in _SOURCES),
        Unsupported("SourceKMSKeyArn", _all_empty),
        Unsupported("PublishTo"),
    ),
    "PublishLayerVersion": tuple(Unsupported(f"Content.{source}") for source in _SOURCES if source != "ImageUri"),
    "PublishVersion": (Unsupported("PublishTo"),),
    "Invoke": (Unsupported("DurableExecutionName"),),
}


def refuse_unsupported(operation: str, params: Mapping[str, Any]) -> None:
    """Refuse the members of this operation that do not work yet.

    Raises:
        AwsError: one was given with a value that asks for something.
    """
    for entry in UNSUPPORTED[operation]:
        value: Any = params
        for part in entry.member.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None and not entry.is_harmless(value):
            raise errors.unsupported(f"{entry.member} {entry.value}" if entry.value else entry.member)


def check_runtime(runtime: str, catalog: RuntimeCatalog, known_to_aws: Sequence[str]) -> None:
    """Refuse a runtime that functions cannot have here.

    Raises:
        AwsError: retired by AWS, unknown to AWS, or known to AWS and not to us.
    """
    if catalog.is_known(runtime):
        return
    if runtime in RETIRED_RUNTIMES:
        raise errors.invalid(
            f"The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions. "
            "We recommend you use a supported runtime while creating or updating functions."
        )
    if runtime in known_to_aws:
        raise errors.unsupported(f"The runtime {runtime}")
    raise errors.invalid(
        f"Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: "
        f"[{', '.join(known_to_aws)}] or be a valid ARN"
    )


def architecture(asked: Sequence[str] | None, machine: str) -> str:
    """The architecture of a new function or package.

    Args:
        asked: the ``Architectures`` parameter.
        machine: this machine's, in AWS's words.

    Differs: without the parameter AWS takes x86_64; here it is what the machine has, since nothing else can run.

    Raises:
        AwsError: another one than this machine's.
    """
    if not asked:
        return machine
    if list(asked) != [machine]:
        raise errors.invalid(
            f"Architectures {list(asked)} cannot run here: the machine of this Functory is {machine}, and functions of "
            "another architecture are not supported by this version of Functory."
        )
    return machine


def check_sizes(memory_mib: int, timeout_s: int, ephemeral_mib: int) -> None:
    """Refuse what only other compute types of AWS may have.

    Raises:
        AwsError: a value over the limit of an ordinary function.
    """
    if memory_mib > MEMORY_MIB_MAX:
        raise errors.invalid(
            f"'MemorySize' value failed to satisfy constraint: Member must be less than or equal to {MEMORY_MIB_MAX}"
        )
    if timeout_s > TIMEOUT_S_MAX:
        raise errors.constraint(timeout_s, "timeout", f"Member must have value less than or equal to {TIMEOUT_S_MAX}")
    if ephemeral_mib > EPHEMERAL_MIB_MAX:
        raise errors.constraint(
            ephemeral_mib, "ephemeralStorage.size", f"Member must have value less than or equal to {EPHEMERAL_MIB_MAX}"
        )


def environment(given: Mapping[str, Any] | None) -> dict[str, str] | None:
    """The variables of an ``Environment`` parameter; None when it has none.

    Raises:
        AwsError: reserved names, or more than 4 KB.
    """
    if given is None or given.get("Variables") is None:
        return None
    variables: dict[str, str] = dict(given["Variables"])
    reserved = [name for name in variables if name in RESERVED_VARIABLES]
    if reserved:
        raise errors.invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided contains reserved keys that are currently not supported for modification. Reserved keys used in "
            f"this request: {', '.join(reserved)}"
        )
    measured = json.dumps(variables, separators=(",", ":"), ensure_ascii=False)
    if len(measured.encode("utf-8", "surrogatepass")) > ENVIRONMENT_BYTES:
        raise errors.invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            f"provided exceeded the 4KB limit. String measured: {measured}"
        )
    return variables


def check_entry(runtime: str | None, handler: str | None) -> None:
    """A function made from a zip needs a runtime and a handler.

    Raises:
        AwsError: one is missing.
    """
    if not runtime or not handler:
        raise errors.invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")


def check_zip(content: bytes | None) -> bytes:
    """The zip of a request, within the size AWS takes directly.

    Raises:
        AwsError: none was given, or it is too large.
    """
    if content is None:
        raise errors.invalid("Please provide a source for function code.")
    if len(content) > CODE_ZIPPED_BYTES:
        raise AwsError(
            "RequestEntityTooLargeException", f"Zipped size must be smaller than {CODE_ZIPPED_BYTES} bytes", status=413
        )
    return content


def check_tags(tags: Mapping[str, str]) -> None:
    """Refuse tags AWS would refuse.

    Raises:
        AwsError: too many, too long, or of AWS's own namespace.
    """
    if len(tags) > TAGS_PER_RESOURCE:
        raise errors.invalid("Number of tags exceeds resource tag limit.")
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or len(value) > 256:
            raise errors.invalid("Tag keys have 1 to 128 characters and tag values at most 256.")
        if key.lower().startswith("aws:"):
            raise errors.invalid(f"Tag keys that begin with aws: are reserved: {key}")


def check_revision(asked: str | None, current: str) -> None:
    """Refuse a change that was meant for another revision.

    Raises:
        AwsError: the revision is not the current one.
    """
    if asked is not None and asked != current:
        raise errors.revision_mismatch()


def routing(asked: Mapping[str, Any] | None, version: str) -> tuple[str, float]:
    """The additional version and weight of a ``RoutingConfig``; ``("", 0.0)`` without one.

    Args:
        asked: the parameter.
        version: the alias's own version.

    Raises:
        AwsError: it cannot be.
    """
    weights: Mapping[str, float] = (asked or {}).get("AdditionalVersionWeights") or {}
    if not weights:
        return "", 0.0
    if len(weights) > 1:
        raise errors.invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
    ((extra, weight),) = weights.items()
    check_routing(version, extra)
    return extra, float(weight)


def check_routing(version: str, extra: str) -> None:
    """Whether an alias may lead to both versions.

    Raises:
        AwsError: one is ``$LATEST``, or both are the same.
    """
    if not extra:
        return
    if "$LATEST" in (version, extra):
        raise errors.invalid("$LATEST is not supported for an alias pointing to more than 1 version")
    if extra == version:
        raise errors.invalid(
            f"Invalid function version {version}. Function version {version} is already included in routing configuration."
        )
