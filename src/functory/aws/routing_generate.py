"""Write ``routing_catalog.json``: run ``python -m functory.aws.routing_generate`` after a botocore upgrade.

The catalog is what a router must know of *every* service before it may load *one* model. It is a pure function of the
installed botocore; ``tests/codec/test_routing_catalog.py`` fails when the checked-in file differs from it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import botocore.exceptions
import botocore.loaders

CATALOG = Path(__file__).with_name("routing_catalog.json")


def describe(model: Mapping[str, Any], rules: Mapping[str, Any]) -> dict[str, Any]:
    """The catalog row of one service from its model and its endpoint rule set (empty when it has none)."""
    metadata = model["metadata"]
    signing_name = metadata.get("signingName") or metadata["endpointPrefix"]
    protocols = list(metadata.get("protocols") or [metadata["protocol"]])
    if "awsQueryCompatible" in metadata and "query" not in protocols:
        protocols.append("query")  # the service still answers the protocol it spoke before
    return {
        "signing": [signing_name, *sorted(set(_signing_names(rules)) - {signing_name})],
        "endpoint": metadata["endpointPrefix"],
        "target": metadata.get("targetPrefix"),
        "protocols": protocols,
        "version": metadata["apiVersion"],
        "paths": _first_segments(model["operations"]) if metadata["protocol"].startswith("rest") else [],
    }


def render() -> str:
    """The whole catalog as it is checked in: JSON, one line per service, so that a diff shows what changed."""
    loader = botocore.loaders.Loader(include_default_search_paths=True)
    rows = []
    for name in loader.list_available_services("service-2"):
        model = loader.load_service_model(name, "service-2")
        try:
            rules = loader.load_service_model(name, "endpoint-rule-set-1")
        except botocore.exceptions.DataNotFoundError:
            rules = {}
        rows.append(f"  {json.dumps(name)}: {json.dumps(describe(model, rules))}")
    return "{\n" + ",\n".join(rows) + "\n}\n"


def _signing_names(node: Any) -> Iterator[str]:
    """Every signing name an endpoint rule set can choose (S3 signs as ``s3express``, ``s3-outposts`` …)."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "signingName" and isinstance(value, str):
                yield value
            else:
                yield from _signing_names(value)
    elif isinstance(node, list):
        for item in node:
            yield from _signing_names(item)


def _first_segments(operations: Mapping[str, Any]) -> list[str]:
    """First path segments of all operations; ``*`` stands for a label there, the empty one for the root."""
    uris = (operation["http"]["requestUri"] for operation in operations.values())
    first = (uri.partition("?")[0].split("/", 2)[1] for uri in uris)
    return sorted({"*" if segment.startswith("{") else segment for segment in first})


if __name__ == "__main__":
    CATALOG.write_text(render(), encoding="utf-8")
