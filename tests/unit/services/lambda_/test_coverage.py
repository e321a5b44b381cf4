from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path

from functory.aws import model
from functory.services.lambda_.rules import UNSUPPORTED
from tests.support.lambda_service import House

COVERAGE = tomllib.loads(files("functory.services.lambda_").joinpath("coverage.toml").read_text())["operations"]


def test_coverage_names_every_operation_of_the_model() -> None:
    assert sorted(COVERAGE) == sorted(model.service("lambda").operation_names)


def test_coverage_and_the_table_of_operations_agree(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.store._engine.dispose()
    assert set(house.service.operations) == {name for name, status in COVERAGE.items() if status != "absent"}


def test_coverage_lists_exactly_what_is_refused() -> None:
    missing = {name: entry["missing"] for name, entry in COVERAGE.items() if isinstance(entry, dict)}
    assert missing == {name: [entry.label for entry in entries] for name, entries in UNSUPPORTED.items()}
    assert all(entry["status"] == "partial" for entry in COVERAGE.values() if isinstance(entry, dict))


def test_every_refused_member_exists_in_the_model() -> None:
    for name, entries in UNSUPPORTED.items():
        for entry in entries:
            shape = model.operation("lambda", name).input_shape
            for part in entry.member.split("."):
                assert part in shape.members, f"{name} {entry.member}"
                shape = shape.members[part]
