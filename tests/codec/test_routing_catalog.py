"""The checked-in catalog must say what the installed botocore says."""

from __future__ import annotations

from functory.aws import routing_catalog, routing_generate


def test_the_catalog_is_fresh() -> None:
    message = "run: python -m functory.aws.routing_generate"
    assert routing_generate.CATALOG.read_text(encoding="utf-8") == routing_generate.render(), message


def test_target_prefixes_of_services_do_not_clash_with_two_protocols() -> None:
    for row in routing_catalog.rows().values():
        needs_target = {"json", "smithy-rpc-v2-cbor"} & set(row.protocols)
        assert not needs_target or row.target_prefix, row.name
