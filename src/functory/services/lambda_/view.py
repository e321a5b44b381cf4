"""Stored values as AWS shows them: exactly its members, no more, absent where AWS leaves them out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functory.core.artifacts.package import code_sha256
from functory.kernel.clock import iso_ms
from functory.services.lambda_.lifecycle import UpdateStatus
from functory.services.lambda_.records import AliasRecord, Image, VersionRecord


def configuration(
    record: VersionRecord, qualifier: str, environment: Mapping[str, Any] | None, runtime_version: Mapping[str, Any]
) -> dict[str, Any]:
    """``FunctionConfiguration`` of a version.

    Args:
        record: the version.
        qualifier: what the ARN ends with: the version or alias asked for, ``""`` for none.
        environment: its ``Environment``, None for none.
        runtime_version: its ``RuntimeVersionConfig``, empty for an image.
    """
    result = summary(record, qualifier, environment)
    result["State"] = record.state.value
    if record.state_reason:
        result["StateReason"] = record.state_reason
        result["StateReasonCode"] = record.state_reason_code
    if record.update_status is not UpdateStatus.NEVER:
        result["LastUpdateStatus"] = record.update_status.value
        if record.update_reason:
            result["LastUpdateStatusReason"] = record.update_reason
            result["LastUpdateStatusReasonCode"] = record.update_reason_code
    if runtime_version:
        result["RuntimeVersionConfig"] = dict(runtime_version)
    return result


def summary(record: VersionRecord, qualifier: str, environment: Mapping[str, Any] | None) -> dict[str, Any]:
    """An entry of a list; see `configuration`.

    AWS: lists leave out the states, their reasons and RuntimeVersionConfig.
    """
    config = record.config
    result: dict[str, Any] = {
        "FunctionName": record.name,
        "FunctionArn": f"{record.arn}:{qualifier}" if qualifier else record.arn,
        "Runtime": config.runtime,
        "Role": config.role,
        "Handler": config.handler,
        "CodeSize": record.code.zipped_bytes,
        "Description": config.description,
        "Timeout": config.timeout_s,
        "MemorySize": config.memory_mib,
        "LastModified": iso_ms(record.modified_at, "+0000"),
        "CodeSha256": code_sha256(record.code.key),
        "Version": record.version,
        "TracingConfig": {"Mode": config.tracing or "PassThrough"},
        "RevisionId": record.revision_id,
        "PackageType": "Zip",
        "Architectures": [config.architecture],
        "EphemeralStorage": {"Size": config.ephemeral_mib},
        "SnapStart": {
            "ApplyOn": "PublishedVersions" if config.snap_start else "None",
            "OptimizationStatus": "On" if record.begins_from_snapshot else "Off",
        },
        "LoggingConfig": _logging(record),
    }
    if config.layers:
        result["Layers"] = [{"Arn": layer.arn, "CodeSize": layer.zipped_bytes} for layer in config.layers]
    if environment is not None:
        result["Environment"] = dict(environment)
    if config.file_systems:
        shown = [{"Arn": each.arn, "LocalMountPath": each.path} for each in config.file_systems]
        result["FileSystemConfigs"] = shown
    if config.dead_letter_arn:
        result["DeadLetterConfig"] = {"TargetArn": config.dead_letter_arn}
    if config.kms_key_arn:
        result["KMSKeyArn"] = config.kms_key_arn
    if config.image is not None:
        _show_image(result, record, config.image)
    if config.tenancy:
        result["TenancyConfig"] = {"TenantIsolationMode": config.tenancy}
    if config.vpc_shown:
        result["VpcConfig"] = {
            "SubnetIds": [],
            "SecurityGroupIds": [],
            "VpcId": "",
            "Ipv6AllowedForDualStack": False,
        }
    return result


def _logging(record: VersionRecord) -> dict[str, str]:
    config = record.config
    shown = {"LogFormat": config.log_format, "LogGroup": config.log_group or f"/aws/lambda/{record.name}"}
    if config.log_format == "JSON":
        shown |= {"ApplicationLogLevel": config.application_log_level, "SystemLogLevel": config.system_log_level}
    return shown


def _show_image(result: dict[str, Any], record: VersionRecord, image: Image) -> None:
    """AWS: an image has neither runtime nor handler, no code size, and its digest for a hash."""
    del result["Runtime"], result["Handler"]
    result |= {"PackageType": "Image", "CodeSize": 0, "CodeSha256": record.code.key}
    shown = {
        "EntryPoint": image.entry_point,
        "Command": image.command,
        "WorkingDirectory": image.working_directory,
    }
    given = {name: value for name, value in shown.items() if value}
    if given:
        result["ImageConfigResponse"] = {"ImageConfig": given}


def code_location(record: VersionRecord, link: str) -> dict[str, Any]:
    """``Code`` of GetFunction.

    Args:
        record: the version.
        link: where a zip can be had.
    """
    image = record.config.image
    if image is None:
        return {"RepositoryType": "S3", "Location": link}
    return {"RepositoryType": "ECR", "ImageUri": image.uri, "ResolvedImageUri": image.resolved_uri}


def alias(record: AliasRecord) -> dict[str, Any]:
    """``AliasConfiguration``."""
    result: dict[str, Any] = {
        "AliasArn": alias_arn(record),
        "Name": record.alias,
        "FunctionVersion": record.version,
        "Description": record.description,
        "RevisionId": record.revision_id,
    }
    if record.extra_version:
        result["RoutingConfig"] = {"AdditionalVersionWeights": {record.extra_version: record.extra_weight}}
    return result


def alias_arn(record: AliasRecord) -> str:
    """The function's ARN qualified with the alias."""
    return f"arn:aws:lambda:{record.region}:{record.account_id}:function:{record.name}:{record.alias}"
