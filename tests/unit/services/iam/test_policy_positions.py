from __future__ import annotations

import json

import pytest

from functory.services.iam.policy_positions import statement_positions


def at(line: int, column: int) -> dict[str, int]:
    return {"Line": line, "Column": column}


COMPACT = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'


@pytest.mark.parametrize(
    ("document", "positions"),
    [
        (COMPACT, [(at(1, 38), at(1, len(COMPACT) - 1))]),
        ('{"Statement":{"Sid":"a}"},"Version":"x"}', [(at(1, 14), at(1, 26))]),
        ('{"Statement": [{"a":1} , {"b":2}]}', [(at(1, 16), at(1, 23)), (at(1, 25), at(1, 33))]),
        ('{ "Id" : "Statement" ,\n "Statement" : [ ] }', []),
    ],
)
def test_a_statement_begins_behind_what_is_in_front_of_it(
    document: str, positions: list[tuple[dict[str, int], dict[str, int]]]
) -> None:
    if positions:
        assert statement_positions(document) == positions
    else:
        assert json.loads(document)["Statement"] == []


def test_lines_are_counted_as_aws_counts_them() -> None:
    """AdministratorAccess as the simulator of AWS tells it: from line 3, column 17 to line 8, column 6."""
    document = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}, indent=2
    )
    assert statement_positions(document) == [(at(3, 17), at(8, 6))]
