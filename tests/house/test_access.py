"""Every operation says what it needs to be allowed: ``services/<name>/access.py`` (see docs/architecture/identity.md)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

import pytest

from functory.aws import model
from functory.core.authorization.access import Access, Place
from scripts.generate_docs import botocore_name, service_names
from tests.house.test_coverage import table_of

PLACE = Place("123456789012", "us-east-1", "arn:aws:iam::123456789012:user/u")


def access_of(service: str) -> Mapping[str, Access]:
    found: Mapping[str, Access] = import_module(f"functory.services.{service}.access").ACCESS
    return found


@pytest.mark.parametrize("service", service_names())
def test_every_operation_in_the_table_has_its_access(service: str) -> None:
    missing = table_of(service) - access_of(service).keys()
    assert not missing, f"name their actions and resources in services/{service}/access.py"


@pytest.mark.parametrize("service", service_names())
def test_access_is_to_operations_and_resources_that_exist(service: str) -> None:
    known = set(model.service(botocore_name(service)).operation_names)
    assert access_of(service).keys() <= known
    for operation, access in access_of(service).items():
        prefix, _, action = access.action.partition(":")
        assert prefix, operation
        assert action, operation
        access.keys(PLACE, {})
        if not any(word in operation for word in ("LayerVersion",)):
            tuple(access.resources(PLACE, {}))
