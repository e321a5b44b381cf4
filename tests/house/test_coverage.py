"""``coverage.toml`` tells the truth about its service: every operation of botocore's model has a row, and the rows that
claim to work are exactly the operations in the service's table."""

from __future__ import annotations

import ast

import pytest

from functory.aws import model
from scripts.generate_docs import SERVICES, botocore_name, read_coverage, service_names, status_of
from tests.house.sources import parsed

pytestmark = pytest.mark.parametrize("service", service_names())


def table_of(service: str) -> set[str]:
    """The operations that ``service.py`` names: "the table operation -> function, nothing else"."""
    known = set(model.service(botocore_name(service)).operation_names)
    constants = (
        node.value for node in ast.walk(parsed(SERVICES / service / "service.py")) if isinstance(node, ast.Constant)
    )
    return {value for value in constants if isinstance(value, str) and value in known}


def test_every_operation_has_a_row(service: str) -> None:
    assert set(read_coverage(service)) == set(model.service(botocore_name(service)).operation_names)


def test_what_claims_to_work_is_what_the_table_has(service: str) -> None:
    claimed = {operation for operation, row in read_coverage(service).items() if status_of(row) in {"done", "partial"}}
    assert claimed == table_of(service)


def test_a_row_is_done_absent_or_partial_with_what_is_missing(service: str) -> None:
    for operation, row in read_coverage(service).items():
        if isinstance(row, dict):
            assert row["status"] == "partial", operation
            assert row["missing"], operation
            assert set(row) == {"status", "missing"}, operation
        else:
            assert row in {"done", "absent"}, operation
