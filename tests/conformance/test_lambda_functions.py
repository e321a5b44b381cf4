from __future__ import annotations

import base64
import hashlib
import json
import re
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.functions import ECHO, ROLE, asked, call, code_of, make_function, wait_active, wait_updated
from tests.support.node import ACCOUNT, REGION

ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
OTHER = "def handler(event, context):\n    return 'other'\n"

SUMMARY = {
    *("FunctionName", "FunctionArn", "Runtime", "Role", "Handler", "CodeSize", "Description", "Timeout", "MemorySize"),
    *("LastModified", "CodeSha256", "Version", "TracingConfig", "RevisionId", "PackageType", "Architectures"),
    *("EphemeralStorage", "SnapStart", "LoggingConfig"),
}
CREATED = SUMMARY | {"State", "StateReason", "StateReasonCode", "RuntimeVersionConfig"}
ACTIVE = SUMMARY | {"State", "LastUpdateStatus", "RuntimeVersionConfig"}
UPDATING = ACTIVE | {"LastUpdateStatusReason", "LastUpdateStatusReasonCode"}


def members(answer: dict[str, Any]) -> set[str]:
    return set(answer) - {"ResponseMetadata"}


def test_create_function_answers_what_aws_answers(aws_lambda: Any, make: Callable[..., str]) -> None:
    before = asked("created")
    answer = aws_lambda.create_function(**before)
    wait_active(aws_lambda, "created")
    aws_lambda.delete_function(FunctionName="created")

    zip_file = before["Code"]["ZipFile"]
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert members(answer) == CREATED
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", answer.pop("LastModified"))
    assert uuid.UUID(answer.pop("RevisionId")).version == 4
    assert re.fullmatch(
        rf"arn:aws:lambda:{REGION}::runtime:[0-9a-f]{{64}}", answer.pop("RuntimeVersionConfig")["RuntimeVersionArn"]
    )
    assert answer.pop("Architectures") in (["x86_64"], ["arm64"])
    answer.pop("ResponseMetadata")
    assert answer == {
        "FunctionName": "created",
        "FunctionArn": f"{ARN}created",
        "Runtime": "python3.11",
        "Role": ROLE,
        "Handler": "app.handler",
        "CodeSize": len(zip_file),
        "CodeSha256": base64.b64encode(hashlib.sha256(zip_file).digest()).decode(),
        "Description": "",
        "Timeout": 3,
        "MemorySize": 128,
        "Version": "$LATEST",
        "TracingConfig": {"Mode": "PassThrough"},
        "PackageType": "Zip",
        "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/created"},
        "State": "Pending",
        "StateReason": "The function is being created.",
        "StateReasonCode": "Creating",
    }


def test_get_function_answers_configuration_code_and_tags(aws_lambda: Any, make: Callable[..., str]) -> None:
    plain, tagged = make("get-plain"), make("get-tagged", Tags={"team": "blue"}, Environment={"Variables": {"COLOUR": "b"}})

    answer = aws_lambda.get_function(FunctionName=plain)
    assert members(answer) == {"Configuration", "Code"}
    assert set(answer["Code"]) == {"RepositoryType", "Location"}
    assert answer["Code"]["RepositoryType"] == "S3"
    assert set(answer["Configuration"]) == ACTIVE
    assert answer["Configuration"]["State"] == "Active"
    assert answer["Configuration"]["LastUpdateStatus"] == "Successful"
    assert members(aws_lambda.get_function_configuration(FunctionName=plain)) == ACTIVE

    answer = aws_lambda.get_function(FunctionName=tagged)
    assert members(answer) == {"Configuration", "Code", "Tags"}
    assert answer["Tags"] == {"team": "blue"}
    assert set(answer["Configuration"]) == ACTIVE | {"Environment"}
    assert answer["Configuration"]["Environment"] == {"Variables": {"COLOUR": "b"}}


def test_code_location_gives_the_identical_zip(aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("download")
    location = aws_lambda.get_function(FunctionName=name)["Code"]["Location"]
    with urllib.request.urlopen(location, timeout=10) as answer:
        assert answer.read() == code_of(ECHO)


def test_a_changed_code_location_gives_nothing(aws_lambda: Any, make: Callable[..., str]) -> None:
    location = aws_lambda.get_function(FunctionName=make("no-download"))["Code"]["Location"]
    changed = location[:-1] + ("0" if location[-1] != "0" else "1")
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(changed, timeout=10)
    refusal.value.close()
    assert refusal.value.code == 403


def test_update_function_code_changes_what_runs(aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("new-code")
    assert call(aws_lambda, name, 1) == 1
    before = aws_lambda.get_function_configuration(FunctionName=name)

    answer = aws_lambda.update_function_code(FunctionName=name, ZipFile=code_of(OTHER), RevisionId=before["RevisionId"])
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert members(answer) == UPDATING
    assert (answer["State"], answer["LastUpdateStatus"]) == ("Active", "InProgress")
    assert answer["LastUpdateStatusReason"] == "The function is being created."
    assert answer["LastUpdateStatusReasonCode"] == "Creating"
    assert answer["RevisionId"] != before["RevisionId"]
    assert answer["CodeSha256"] != before["CodeSha256"]

    wait_updated(aws_lambda, name)
    assert call(aws_lambda, name, 1) == "other"
    assert members(aws_lambda.get_function_configuration(FunctionName=name)) == ACTIVE


def test_update_function_code_as_dry_run_changes_nothing(aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("dry-code")
    before = aws_lambda.get_function_configuration(FunctionName=name)
    answer = aws_lambda.update_function_code(FunctionName=name, ZipFile=code_of(OTHER), DryRun=True)
    assert answer["CodeSha256"] != before["CodeSha256"]
    after = aws_lambda.get_function_configuration(FunctionName=name)
    before.pop("ResponseMetadata")
    after.pop("ResponseMetadata")
    assert after == before


def test_update_function_configuration_changes_what_is_given(aws_lambda: Any, make: Callable[..., str]) -> None:
    source = """
    import os
    def handler(event, context):
        return [os.environ.get("COLOUR"), context.memory_limit_in_mb, context.function_version]
    def second(event, context):
        return "second"
    """
    name = make("new-configuration", source)
    before = aws_lambda.get_function_configuration(FunctionName=name)
    answer = aws_lambda.update_function_configuration(
        FunctionName=name,
        Description="about it",
        MemorySize=192,
        Timeout=7,
        EphemeralStorage={"Size": 600},
        Environment={"Variables": {"COLOUR": "blue"}},
        RevisionId=before["RevisionId"],
    )
    assert members(answer) == UPDATING | {"Environment"}
    wait_updated(aws_lambda, name)
    after = aws_lambda.get_function_configuration(FunctionName=name)
    assert (after["Description"], after["MemorySize"], after["Timeout"]) == ("about it", 192, 7)
    assert (after["Handler"], after["Role"], after["EphemeralStorage"]) == ("app.handler", ROLE, {"Size": 600})
    assert call(aws_lambda, name) == ["blue", "192", "$LATEST"]

    aws_lambda.update_function_configuration(FunctionName=name, Handler="app.second", Environment={"Variables": {}})
    wait_updated(aws_lambda, name)
    assert call(aws_lambda, name) == "second"


def test_list_functions_lists_summaries_over_pages(aws_lambda: Any, make: Callable[..., str]) -> None:
    names = [make(f"listed-{number}") for number in range(3)]
    aws_lambda.publish_version(FunctionName=names[0])

    pages = list(aws_lambda.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2}))
    found = [function for page in pages for function in page["Functions"]]
    assert len(pages) > 1
    assert all(len(page["Functions"]) <= 2 for page in pages)
    assert all(set(function) == SUMMARY for function in found)
    assert [function["FunctionName"] for function in found if function["FunctionName"] in names] == names
    assert "NextMarker" not in pages[-1]

    every = aws_lambda.list_functions(FunctionVersion="ALL")["Functions"]
    arns = {function["FunctionArn"] for function in every if function["FunctionName"] == names[0]}
    assert arns == {f"{ARN}{names[0]}:$LATEST", f"{ARN}{names[0]}:1"}


def test_every_waiter_of_the_life_of_a_function_returns(aws_lambda: Any) -> None:
    often = {"Delay": 0.05, "MaxAttempts": 400}
    name = "waited-for"
    aws_lambda.create_function(**asked(name))
    for waiter in ("function_exists", "function_active", "function_active_v2", "function_updated", "function_updated_v2"):
        aws_lambda.get_waiter(waiter).wait(FunctionName=name, WaiterConfig=often)
    aws_lambda.publish_version(FunctionName=name)
    aws_lambda.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="1", WaiterConfig=often)
    aws_lambda.delete_function(FunctionName=name)


def test_delete_function_removes_everything_of_it(aws_lambda: Any) -> None:
    make_function(aws_lambda, "deleted", Publish=True)
    aws_lambda.create_alias(FunctionName="deleted", Name="live", FunctionVersion="1")
    answer = aws_lambda.delete_function(FunctionName="deleted")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert "content-length" not in answer["ResponseMetadata"]["HTTPHeaders"]
    for qualifier in ("$LATEST", "1", "live"):
        with pytest.raises(aws_lambda.exceptions.ResourceNotFoundException) as refusal:
            aws_lambda.get_function(FunctionName="deleted", Qualifier=qualifier)
        assert refusal.value.response["Error"]["Message"] == f"Function not found: {ARN}deleted:{qualifier}"
        assert refusal.value.response["Type"] == "User"


def test_version_numbers_go_on_after_a_function_was_made_anew(aws_lambda: Any, make: Callable[..., str]) -> None:
    make_function(aws_lambda, "again", Publish=True)
    aws_lambda.delete_function(FunctionName="again")
    name = make("again")
    assert aws_lambda.publish_version(FunctionName=name)["Version"] == "2"


def test_tags_of_a_function(aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("tags", Tags={"a": "1"})
    arn = ARN + name
    answer = aws_lambda.tag_resource(Resource=arn, Tags={"b": "2", "a": "3"})
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert aws_lambda.list_tags(Resource=arn)["Tags"] == {"a": "3", "b": "2"}
    answer = aws_lambda.untag_resource(Resource=arn, TagKeys=["a", "never"])
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert aws_lambda.list_tags(Resource=arn)["Tags"] == {"b": "2"}
    assert aws_lambda.get_function(FunctionName=name)["Tags"] == {"b": "2"}


def test_account_settings_count_functions_and_code(aws_lambda: Any, make: Callable[..., str]) -> None:
    before = aws_lambda.get_account_settings()["AccountUsage"]
    make("counted")
    answer = aws_lambda.get_account_settings()
    assert members(answer) == {"AccountLimit", "AccountUsage"}
    limit = answer["AccountLimit"]
    assert (limit["CodeSizeZipped"], limit["CodeSizeUnzipped"]) == (52428800, 262144000)
    assert (limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"]) == (1000, 1000)
    assert set(limit) == {
        "TotalCodeSize",
        "CodeSizeUnzipped",
        "CodeSizeZipped",
        "ConcurrentExecutions",
        "UnreservedConcurrentExecutions",
    }
    assert answer["AccountUsage"]["FunctionCount"] == before["FunctionCount"] + 1
    assert answer["AccountUsage"]["TotalCodeSize"] > before["TotalCodeSize"]


@pytest.mark.parametrize("form", ["forms", "function:forms", f"{ACCOUNT}:function:forms", f"{ARN}forms"])
def test_every_form_of_a_name_leads_to_the_function(aws_lambda: Any, forms: str, form: str) -> None:
    assert aws_lambda.get_function_configuration(FunctionName=form)["FunctionArn"] == ARN + forms
    assert call(aws_lambda, form, 5) == 5
    qualified = aws_lambda.get_function_configuration(FunctionName=f"{form}:1")
    assert (qualified["FunctionArn"], qualified["Version"]) == (f"{ARN}{forms}:1", "1")
    answer = aws_lambda.invoke(FunctionName=f"{form}:live", Payload=json.dumps("x"))
    assert (answer["ExecutedVersion"], json.loads(answer["Payload"].read())) == ("1", "x")
    assert aws_lambda.invoke(FunctionName=f"{form}:live", Qualifier="live")["ExecutedVersion"] == "1"


@pytest.fixture(scope="module")
def forms(aws_lambda: Any) -> Any:
    make_function(aws_lambda, "forms", Publish=True)
    aws_lambda.create_alias(FunctionName="forms", Name="live", FunctionVersion="1")
    yield "forms"
    aws_lambda.delete_function(FunctionName="forms")
