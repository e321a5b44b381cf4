"""The static table of all AWS services: enough to find a service without loading its model.

One row per service of botocore: signing names, endpoint prefix, target prefix, protocols, API version and the first path
segments of its REST operations. The rows live in ``routing_catalog.json``, written by `functory.aws.routing_generate`.
Reading all of it costs a few milliseconds, once; loading the models of 17 services would cost a hundred times that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class CatalogRow:
    """What is known of a service before its model is loaded.

    Attributes:
        name: botocore's name (``stepfunctions``).
        signing_names: names a credential scope may carry for it, its usual one first (``states``).
        endpoint: endpoint prefix, the host name's service part (``states``, ``streams.dynamodb``).
        target_prefix: what stands before the dot in ``X-Amz-Target``, and the service name of RPC v2 CBOR paths.
        protocols: what it speaks, botocore's names, the preferred one first.
        version: API version, the ``Version`` of query requests.
        first_segments: literal first path segments of its REST operations.
        has_wildcard_root: its paths may begin with anything (S3).
    """

    name: str
    signing_names: tuple[str, ...]
    endpoint: str
    target_prefix: str | None
    protocols: tuple[str, ...]
    version: str
    first_segments: frozenset[str]
    has_wildcard_root: bool


@cache
def rows() -> Mapping[str, CatalogRow]:
    """All services by botocore's name."""
    text = resources.files(__package__).joinpath("routing_catalog.json").read_text(encoding="utf-8")
    return {
        name: CatalogRow(
            name=name,
            signing_names=tuple(row["signing"]),
            endpoint=row["endpoint"],
            target_prefix=row["target"],
            protocols=tuple(row["protocols"]),
            version=row["version"],
            first_segments=frozenset(row["paths"]) - {"*"},
            has_wildcard_root="*" in row["paths"],
        )
        for name, row in json.loads(text).items()
    }


@cache
def endpoints() -> frozenset[str]:
    """Every endpoint prefix of AWS."""
    return frozenset(row.endpoint for row in rows().values())
