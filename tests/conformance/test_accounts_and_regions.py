from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.functions import asked, call, make_function
from tests.support.node import ACCOUNT, REGION, Node
from tests.support.raw_http import authorization, send

OTHER_ACCOUNT = "444455556666"
OTHER_REGION = "ap-southeast-2"
PLACES = [(ACCOUNT, REGION), (OTHER_ACCOUNT, REGION), (ACCOUNT, OTHER_REGION)]
SOURCE = """
import os
def handler(event, context):
    return [context.invoked_function_arn, os.environ["AWS_REGION"], os.environ["AWS_DEFAULT_REGION"]]
"""


def arn_in(account: str, region: str) -> str:
    return f"arn:aws:lambda:{region}:{account}:function:everywhere"


@pytest.fixture(scope="module")
def everywhere(node: Node) -> Iterator[dict[tuple[str, str], Any]]:
    """One function of the same name in every place, and a client for each."""
    clients = {place: node.client("lambda", account=place[0], region=place[1]) for place in PLACES}
    for (account, region), client in clients.items():
        made = make_function(client, "everywhere", SOURCE, Description=f"{account} {region}")
        assert made["FunctionArn"] == arn_in(account, region)
    yield clients
    for client in clients.values():
        client.delete_function(FunctionName="everywhere")


@pytest.mark.parametrize("place", PLACES, ids=["home", "account", "region"])
def test_a_function_belongs_to_its_account_and_region(
    everywhere: dict[tuple[str, str], Any], place: tuple[str, str]
) -> None:
    account, region = place
    client = everywhere[place]
    assert client.get_function_configuration(FunctionName="everywhere")["Description"] == f"{account} {region}"
    assert call(client, "everywhere") == [arn_in(account, region), region, region]
    assert [found["FunctionArn"] for found in client.list_functions()["Functions"]].count(arn_in(account, region)) == 1


def test_what_one_account_deletes_stays_in_another(node: Node) -> None:
    mine, theirs = node.client("lambda"), node.client("lambda", account=OTHER_ACCOUNT)
    for client in (mine, theirs):
        client.create_function(**asked("kept"))
    mine.delete_function(FunctionName="kept")
    assert theirs.get_function(FunctionName="kept")["Configuration"]["FunctionArn"].split(":")[4] == OTHER_ACCOUNT
    theirs.delete_function(FunctionName="kept")


def test_functions_of_another_account_are_out_of_reach(everywhere: dict[tuple[str, str], Any]) -> None:
    client = everywhere[(ACCOUNT, REGION)]
    with pytest.raises(client.exceptions.ClientError) as refusal:
        client.invoke(FunctionName=arn_in(OTHER_ACCOUNT, REGION))
    error = refusal.value.response["Error"]
    assert error["Code"] == "AccessDeniedException"
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert (
        f"is not authorized to perform: lambda:InvokeFunction on resource: {arn_in(OTHER_ACCOUNT, REGION)}"
        in error["Message"]
    )


def test_logs_are_separate_too(node: Node) -> None:
    for account, region in PLACES:
        node.client("logs", account=account, region=region).create_log_group(logGroupName="separate")
    for account, region in PLACES:
        client = node.client("logs", account=account, region=region)
        (group,) = client.describe_log_groups(logGroupNamePrefix="separate")["logGroups"]
        assert group["arn"] == f"arn:aws:logs:{region}:{account}:log-group:separate:*"
        client.delete_log_group(logGroupName="separate")


@pytest.mark.parametrize(
    "host",
    [
        "lambda.{region}.localhost",
        "lambda.{region}.localhost:4566",
        "lambda.{region}.localhost.localstack.cloud:4566",
        "lambda.localhost.localstack.cloud:4566",
        "localhost.localstack.cloud:4566",
        "lambda.{region}.amazonaws.com",
        "LAMBDA.{region}.AMAZONAWS.COM",
        "lambda.{region}.api.aws",
        "localhost",
        "127.0.0.1:1",
        "functory.example:8080",
    ],
)
def test_every_form_of_host_leads_to_the_service(node: Node, everywhere: dict[tuple[str, str], Any], host: str) -> None:
    headers = {"Host": host.format(region=REGION)}
    answer = send(node.url, "GET", "/2015-03-31/functions/everywhere/configuration", headers=headers)
    assert (answer.status, answer.json()["FunctionArn"]) == (200, arn_in(ACCOUNT, REGION))
    answer = send(node.url, "POST", "/2015-03-31/functions/everywhere/invocations", b"{}", headers=headers)
    assert (answer.status, answer.json()[0]) == (200, arn_in(ACCOUNT, REGION))


def test_the_host_names_the_region_of_an_unsigned_request(node: Node) -> None:
    name = "by-host"
    client = node.client("lambda", account="000000000000", region=OTHER_REGION)
    make_function(client, name, SOURCE)
    headers = {"Host": f"lambda.{OTHER_REGION}.localhost"}
    found = send(node.url, "GET", f"/2015-03-31/functions/{name}/configuration", headers=headers, signed=False)
    called = send(node.url, "POST", f"/2015-03-31/functions/{name}/invocations", headers=headers, signed=False)
    client.delete_function(FunctionName=name)
    assert found.status == 200
    assert (called.status, called.json()[1]) == (200, OTHER_REGION)


def test_an_access_key_that_is_no_account_is_of_the_default_account(node: Node) -> None:
    headers = {"Authorization": authorization("AKIAIOSFODNN7EXAMPLE")}
    answer = send(node.url, "GET", "/2015-03-31/functions", headers=headers, signed=False)
    assert answer.status == 200
    found = node.client("lambda", account="test").get_account_settings()
    assert found["AccountUsage"]["FunctionCount"] == 0
