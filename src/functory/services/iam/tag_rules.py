"""Rules of tags: keys differ by more than their case, none begins with ``aws:``, at most 50 on a resource. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from functory.services.iam import quotas
from functory.services.iam.errors import invalid, over

_RESERVED = "aws:"


def merge_tags(old: Mapping[str, str], new: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The tags after adding ``new``, each ``{"Key": …, "Value": …}``; a key in another case replaces the old one.

    Raises:
        AwsError: InvalidInput; LimitExceeded.
    """
    keys = [tag["Key"].lower() for tag in new]
    if len(set(keys)) < len(keys):
        raise invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if any(key.startswith(_RESERVED) for key in keys):
        raise invalid("Tag keys starting with 'aws:' are reserved for system use.")
    kept = {key: value for key, value in old.items() if key.lower() not in keys}
    merged = kept | {tag["Key"]: tag["Value"] for tag in new}
    if len(merged) > quotas.TAGS:
        raise over("TagsPerResource", quotas.TAGS)
    return merged


def without_tags(old: Mapping[str, str], keys: Sequence[str]) -> dict[str, str]:
    """The tags after removing ``keys``; absent ones are no error."""
    gone = {key.lower() for key in keys}
    return {key: value for key, value in old.items() if key.lower() not in gone}
