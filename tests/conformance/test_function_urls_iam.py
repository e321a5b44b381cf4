"""Function URLs of a node that authorises (``--auth iam``): who is let in, by which policy, and who the function sees."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from tests.conformance.test_identity import BY_LAMBDA, Somebody, administrator, allow, document
from tests.support.functions import make_function
from tests.support.node import REGION, Node, running_node

SHOW = "def handler(event, context):\n    return event['requestContext']\n"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running_node(tmp_path_factory.mktemp("guarded-urls") / "data", FUNCTORY_AUTH_MODE="iam") as node:
        yield node
        assert not node.faults()


@pytest.fixture(scope="module")
def admin(guarded: Node) -> Somebody:
    return administrator(guarded)


@pytest.fixture(scope="module")
def functions(admin: Somebody) -> Any:
    """A client of Lambda, and two functions with URLs: ``open`` and ``signed``."""
    role = admin.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=BY_LAMBDA)["Role"]["Arn"]
    client = admin.client("lambda")
    for name, auth_type in (("open", "NONE"), ("signed", "AWS_IAM")):
        make_function(client, name, SHOW, Role=role)
        client.create_function_url_config(FunctionName=name, AuthType=auth_type)
    return client


def ask(node: Node, functions: Any, name: str, who: Somebody | None = None, body: bytes = b"", sent: bytes = b"") -> Any:
    """Status and answer of a POST; ``sent`` is what goes out when it is not what was signed."""
    url = functions.get_function_url_config(FunctionName=name)["FunctionUrl"]
    request = AWSRequest("POST", url, data=body)
    if who is not None:
        SigV4Auth(who.session.get_credentials(), "lambda", REGION).add_auth(request)
    place = urlsplit(node.url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=30)
    connection.request("POST", "/", sent or body, {"Host": urlsplit(url).netloc, **dict(request.headers.items())})
    answer = connection.getresponse()
    found = json.loads(answer.read())
    connection.close()
    return answer.status, found


def test_an_open_url_needs_a_policy_that_lets_everybody_in(guarded: Node, functions: Any) -> None:
    status, refused = ask(guarded, functions, "open")
    assert (status, refused["Message"].split(".")[0]) == (403, "Forbidden")
    given = {"FunctionName": "open", "Principal": "*"}
    functions.add_permission(StatementId="url", Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="NONE", **given)
    assert ask(guarded, functions, "open")[0] == 403, "since October 2025 InvokeFunction is needed as well"
    functions.add_permission(StatementId="call", Action="lambda:InvokeFunction", InvokedViaFunctionUrl=True, **given)
    status, context = ask(guarded, functions, "open")
    assert (status, context["accountId"]) == (200, "anonymous")
    functions.remove_permission(FunctionName="open", StatementId="url")
    assert ask(guarded, functions, "open")[0] == 403


def test_a_signed_url_lets_in_whom_policies_allow(guarded: Node, admin: Somebody, functions: Any) -> None:
    assert ask(guarded, functions, "signed")[0] == 403
    status, context = ask(guarded, functions, "signed", admin, b"x")
    assert status == 200
    arn = admin.client("iam").get_user()["User"]["Arn"]
    assert (context["authorizer"]["iam"]["userArn"], context["authorizer"]["iam"]["accessKey"]) == (arn, admin.key)
    assert ask(guarded, functions, "signed", admin, b"x", b"y")[0] == 403, "another body than the signed one"
    forger = Somebody(guarded, admin.key, "no" + admin.secret[2:])
    assert ask(guarded, functions, "signed", forger, b"x")[0] == 403


def test_a_user_needs_both_actions(guarded: Node, admin: Somebody, functions: Any) -> None:
    iam = admin.client("iam")
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    user = Somebody(guarded, key["AccessKeyId"], key["SecretAccessKey"])
    found = []
    for actions in ([], ["lambda:InvokeFunctionUrl"], ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"]):
        if actions:
            iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=document(allow(actions)))
        found.append(ask(guarded, functions, "signed", user)[0])
    assert found == [403, 403, 200]
