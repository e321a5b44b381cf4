from __future__ import annotations

import base64
import hashlib
import json
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.functions import call, wait_updated, zip_of
from tests.support.node import ACCOUNT, REGION, Node
from tests.support.raw_http import send

BASE = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer"
NAMES = "import shared\ndef handler(event, context):\n    return shared.name\n"


def content(name: str) -> bytes:
    return zip_of({"python/shared.py": f"name = {name!r}\n"})


def publish(client: Any, layer: str, name: str = "x", **members: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.publish_layer_version(LayerName=layer, Content={"ZipFile": content(name)}, **members)
    return answer


def refused(work: Callable[..., Any], **params: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        work(**params)
    answer: dict[str, Any] = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


def status(answer: dict[str, Any]) -> int:
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])


def test_a_layer_version_from_publishing_to_deleting(aws_lambda: Any) -> None:
    made = publish(aws_lambda, "whole", Description="d", CompatibleRuntimes=["python3.12"], LicenseInfo="MIT")
    assert status(made) == 201
    digest = base64.b64encode(hashlib.sha256(content("x")).digest()).decode()
    assert (made["Content"]["CodeSha256"], made["Content"]["CodeSize"]) == (digest, len(content("x")))
    assert (made["LayerArn"], made["LayerVersionArn"], made["Version"]) == (f"{BASE}:whole", f"{BASE}:whole:1", 1)
    with urllib.request.urlopen(made["Content"]["Location"]) as answer:
        assert answer.read() == content("x")

    by_arn = aws_lambda.get_layer_version_by_arn(Arn=f"{BASE}:whole:1")
    by_name = aws_lambda.get_layer_version(LayerName="whole", VersionNumber=1)
    for found in (by_arn, by_name):
        assert status(found) == 200
        assert {name: found[name] for name in ("Description", "LicenseInfo", "CompatibleRuntimes", "CreatedDate")} == {
            "Description": "d",
            "LicenseInfo": "MIT",
            "CompatibleRuntimes": ["python3.12"],
            "CreatedDate": made["CreatedDate"],
        }
    for _ in range(2):
        assert status(aws_lambda.delete_layer_version(LayerName="whole", VersionNumber=1)) == 204
    absent = (404, "ResourceNotFoundException", f"Layer version {BASE}:whole:1 does not exist.")
    assert refused(aws_lambda.get_layer_version, LayerName="whole", VersionNumber=1) == absent
    assert publish(aws_lambda, "whole")["Version"] == 2


def test_lists_in_pages_and_with_filters(aws_lambda: Any) -> None:
    for number in range(3):
        publish(aws_lambda, f"paged-{number}", CompatibleRuntimes=["ruby3.3"], CompatibleArchitectures=["arm64"])
    for _ in range(2):
        publish(aws_lambda, "paged-0", CompatibleRuntimes=["java21"])
    layers = aws_lambda.get_paginator("list_layers").paginate(
        CompatibleRuntime="ruby3.3", CompatibleArchitecture="arm64", PaginationConfig={"PageSize": 2}
    )
    found = [[(one["LayerName"], one["LatestMatchingVersion"]["Version"]) for one in page["Layers"]] for page in layers]
    assert found == [[("paged-0", 1), ("paged-1", 1)], [("paged-2", 1)]]
    versions = aws_lambda.get_paginator("list_layer_versions").paginate(
        LayerName=f"{BASE}:paged-0", PaginationConfig={"PageSize": 1}
    )
    assert [[one["Version"] for one in page["LayerVersions"]] for page in versions] == [[3], [2], [1]]
    assert aws_lambda.list_layer_versions(LayerName="nobody")["LayerVersions"] == []


def test_permissions(aws_lambda: Any, node: Node) -> None:
    publish(aws_lambda, "shared")
    version = {"LayerName": "shared", "VersionNumber": 1}
    other = node.client("lambda", account="999988887777")
    denied = refused(other.get_layer_version_by_arn, Arn=f"{BASE}:shared:1")
    assert denied[:2] == (403, "AccessDeniedException")
    added = aws_lambda.add_layer_version_permission(
        **version, StatementId="them", Action="lambda:GetLayerVersion", Principal="999988887777"
    )
    assert status(added) == 201
    statement = json.loads(added["Statement"])
    assert statement["Principal"] == {"AWS": "arn:aws:iam::999988887777:root"}
    assert other.get_layer_version_by_arn(Arn=f"{BASE}:shared:1")["Version"] == 1
    policy = aws_lambda.get_layer_version_policy(**version)
    assert json.loads(policy["Policy"]) == {"Version": "2012-10-17", "Id": "default", "Statement": [statement]}
    assert policy["RevisionId"] == added["RevisionId"]
    stale = {**version, "StatementId": "them", "RevisionId": "00000000-0000-4000-8000-000000000000"}
    assert refused(aws_lambda.remove_layer_version_permission, **stale)[:2] == (412, "PreconditionFailedException")
    removed = aws_lambda.remove_layer_version_permission(**version, StatementId="them")
    assert status(removed) == 204
    assert refused(aws_lambda.get_layer_version_policy, **version)[0] == 404
    assert refused(other.get_layer_version_by_arn, Arn=f"{BASE}:shared:1") == denied


def test_a_function_with_layers(aws_lambda: Any, make: Callable[..., str]) -> None:
    one, two = (publish(aws_lambda, f"of-{name}", name)["LayerVersionArn"] for name in ("one", "two"))
    name = make("layered", NAMES, Layers=[one, two])
    assert call(aws_lambda, name) == "two"
    shown = aws_lambda.get_function_configuration(FunctionName=name)["Layers"]
    assert shown == [
        {"Arn": one, "CodeSize": len(content("one"))},
        {"Arn": two, "CodeSize": len(content("two"))},
    ]
    aws_lambda.update_function_configuration(FunctionName=name, Layers=[two, one])
    wait_updated(aws_lambda, name)
    assert call(aws_lambda, name) == "one"
    for layers, text in (
        ([one, f"{one[:-1]}2"], "Two different versions of the same layer are not allowed"),
        ([f"{BASE}:never:1"], f"Layer version {BASE}:never:1 does not exist."),
        ([one.replace(REGION, "ap-south-1")], f"Layers are expected to be in region {REGION}."),
    ):
        answer = refused(aws_lambda.update_function_configuration, FunctionName=name, Layers=layers)
        assert answer[:2] == (400, "InvalidParameterValueException")
        assert text in answer[2]


def test_a_source_in_s3_is_refused_by_name(aws_lambda: Any) -> None:
    answer = refused(
        aws_lambda.publish_layer_version, LayerName="s3", Content={"S3Bucket": "some-bucket", "S3Key": "some-key"}
    )
    assert answer == (
        400,
        "InvalidParameterValueException",
        "Content.S3Bucket is not supported by this version of Functory.",
    )


def test_nonsense_is_answered_with_the_constraint_it_breaks(node: Node, aws_lambda: Any) -> None:
    for path in ("/2018-10-31/layers/a%20b/versions/1", "/2018-10-31/layers/a/versions/none"):
        assert 400 <= send(node.url, "GET", path).status < 500
    for number in ("0", "-1"):
        answer = send(node.url, "GET", f"/2018-10-31/layers/a/versions/{number}")
        assert (answer.status, answer.json()["message"]) == (400, "Layer Version Cannot be less than 1")
    for number, status_code in ((2**62, 404), (2**80, 400)):
        assert send(node.url, "GET", f"/2018-10-31/layers/a/versions/{number}").status == status_code
    answer = refused(publish, client=aws_lambda, layer="bad", CompatibleRuntimes=["cobol"])
    assert answer[:2] == (400, "ValidationException")
    assert "compatibleRuntimes" in answer[2]
