from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.conformance.test_lambda_functions import ACTIVE, ARN, CREATED, SUMMARY, members
from tests.support.functions import call, code_of, make_function, wait_active, wait_updated

SAYS = "def handler(event, context):\n    return [{number}, context.function_version, context.invoked_function_arn]\n"
OFTEN = {"Delay": 0.05, "MaxAttempts": 400}


@pytest.fixture(scope="module")
def two(aws_lambda: Any) -> Iterator[str]:
    """A function with versions 1 and 2 of different code."""
    name = "two-versions"
    make_function(aws_lambda, name, SAYS.format(number=1), Publish=True)
    aws_lambda.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="1", WaiterConfig=OFTEN)
    aws_lambda.update_function_code(FunctionName=name, ZipFile=code_of(SAYS.format(number=2)))
    wait_updated(aws_lambda, name)
    aws_lambda.publish_version(FunctionName=name, Description="the second")
    aws_lambda.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="2", WaiterConfig=OFTEN)
    yield name
    aws_lambda.delete_function(FunctionName=name)


def test_publish_version_answers_what_aws_answers(aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("published")
    answer = aws_lambda.publish_version(FunctionName=name, Description="first")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert members(answer) in (CREATED, ACTIVE)
    assert (answer["Version"], answer["FunctionArn"], answer["Description"]) == ("1", f"{ARN}{name}:1", "first")
    latest = aws_lambda.get_function_configuration(FunctionName=name)
    assert answer["CodeSha256"] == latest["CodeSha256"]
    assert answer["RevisionId"] != latest["RevisionId"]

    assert aws_lambda.publish_version(FunctionName=name)["Version"] == "1"


def test_versions_keep_their_code(aws_lambda: Any, two: str) -> None:
    assert call(aws_lambda, two, Qualifier="1") == [1, "1", f"{ARN}{two}:1"]
    assert call(aws_lambda, two, Qualifier="2") == [2, "2", f"{ARN}{two}:2"]
    assert call(aws_lambda, two, Qualifier="$LATEST") == [2, "$LATEST", f"{ARN}{two}:$LATEST"]
    assert call(aws_lambda, two) == [2, "$LATEST", f"{ARN}{two}"]


def test_list_versions_over_pages(aws_lambda: Any, two: str) -> None:
    pages = list(
        aws_lambda.get_paginator("list_versions_by_function").paginate(FunctionName=two, PaginationConfig={"PageSize": 1})
    )
    found = [version for page in pages for version in page["Versions"]]
    assert [version["Version"] for version in found] == ["$LATEST", "1", "2"]
    assert [version["FunctionArn"] for version in found] == [f"{ARN}{two}:{version}" for version in ("$LATEST", "1", "2")]
    assert all(set(version) == SUMMARY for version in found)


def test_an_alias_answers_what_aws_answers(aws_lambda: Any, two: str) -> None:
    answer = aws_lambda.create_alias(FunctionName=two, Name="answers", FunctionVersion="1", Description="stable")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert members(answer) == {"AliasArn", "Name", "FunctionVersion", "Description", "RevisionId"}
    assert answer["AliasArn"] == f"{ARN}{two}:answers"
    assert members(aws_lambda.get_alias(FunctionName=two, Name="answers")) == members(answer)

    moved = aws_lambda.update_alias(FunctionName=two, Name="answers", FunctionVersion="2", RevisionId=answer["RevisionId"])
    assert (moved["FunctionVersion"], moved["Description"]) == ("2", "stable")
    assert moved["RevisionId"] != answer["RevisionId"]
    assert call(aws_lambda, two, Qualifier="answers") == [2, "2", f"{ARN}{two}:answers"]

    configuration = aws_lambda.get_function_configuration(FunctionName=two, Qualifier="answers")
    assert (configuration["FunctionArn"], configuration["Version"]) == (f"{ARN}{two}:answers", "2")
    assert aws_lambda.delete_alias(FunctionName=two, Name="answers")["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert aws_lambda.delete_alias(FunctionName=two, Name="answers")["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_list_aliases_over_pages_and_of_one_version(aws_lambda: Any, two: str) -> None:
    for name, version in (("list-a", "1"), ("list-b", "2"), ("list-c", "1")):
        aws_lambda.create_alias(FunctionName=two, Name=name, FunctionVersion=version)
    pages = aws_lambda.get_paginator("list_aliases").paginate(FunctionName=two, PaginationConfig={"PageSize": 2})
    assert [alias["Name"] for page in pages for alias in page["Aliases"]] == ["list-a", "list-b", "list-c"]
    of_first = aws_lambda.list_aliases(FunctionName=two, FunctionVersion="1")["Aliases"]
    assert [alias["Name"] for alias in of_first] == ["list-a", "list-c"]
    for name in ("list-a", "list-b", "list-c"):
        aws_lambda.delete_alias(FunctionName=two, Name=name)


def test_a_weighted_alias_divides_the_calls(aws_lambda: Any, two: str) -> None:
    answer = aws_lambda.create_alias(
        FunctionName=two, Name="half", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}}
    )
    assert answer["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 0.5}}

    def executed(_: int) -> tuple[str, int]:
        answer = aws_lambda.invoke(FunctionName=two, Qualifier="half")
        return answer["ExecutedVersion"], json.loads(answer["Payload"].read())[0]

    with ThreadPoolExecutor(4) as pool:
        seen = list(pool.map(executed, range(400)))
    assert all(version == str(number) for version, number in seen)
    first = sum(version == "1" for version, _ in seen)
    assert 140 <= first <= 260, "six standard deviations around 200"

    answer = aws_lambda.update_alias(FunctionName=two, Name="half", RoutingConfig={"AdditionalVersionWeights": {}})
    assert "RoutingConfig" not in answer
    assert {executed(number)[0] for number in range(10)} == {"1"}
    aws_lambda.delete_alias(FunctionName=two, Name="half")


def test_delete_function_deletes_one_version(aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("less", Publish=True)
    answer = aws_lambda.delete_function(FunctionName=name, Qualifier="1")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert [version["Version"] for version in aws_lambda.list_versions_by_function(FunctionName=name)["Versions"]] == [
        "$LATEST"
    ]
    with pytest.raises(aws_lambda.exceptions.ResourceNotFoundException) as refusal:
        aws_lambda.delete_function(FunctionName=name, Qualifier="1")
    assert refusal.value.response["Error"]["Message"] == f"Function not found: {ARN}{name}:1"
    wait_active(aws_lambda, name)


def test_publish_with_update_answers_the_version(aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("published-with-code")
    answer = aws_lambda.update_function_code(FunctionName=name, ZipFile=code_of(SAYS.format(number=3)), Publish=True)
    assert (answer["Version"], answer["FunctionArn"]) == ("1", f"{ARN}{name}:1")
    aws_lambda.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="1", WaiterConfig=OFTEN)
    assert call(aws_lambda, name, Qualifier="1")[:2] == [3, "1"]
