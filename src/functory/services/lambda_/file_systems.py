"""``FileSystemConfigs`` of functions: access points that stand for folders of the host. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from functory.services.lambda_ import errors
from functory.services.lambda_.ports import FileSystems
from functory.services.lambda_.records import FileSystem


def chosen(given: Sequence[Mapping[str, Any]], file_systems: FileSystems) -> tuple[FileSystem, ...]:
    """The file systems of a ``FileSystemConfigs`` parameter.

    Raises:
        AwsError: an access point is not one of this node's, or has no room there.
    """
    result = []
    for each in given:
        text = file_systems.refusal(each["Arn"], each["LocalMountPath"])
        if text:
            raise errors.invalid(text)
        result.append(FileSystem(each["Arn"], each["LocalMountPath"]))
    return tuple(result)


def asks_for_nothing_more(given: Sequence[Mapping[str, Any]]) -> bool:
    """Whether no entry asks for direct reads from S3."""
    return not any((each.get("S3FilesConfig") or {}).get("DirectS3Read", "DISABLED") != "DISABLED" for each in given)
