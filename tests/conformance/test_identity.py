"""A node that authenticates and authorises (``--auth iam``), as boto3 sees it."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore import UNSIGNED
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.functions import call, code_of, make_function, wait_updated
from tests.support.node import FUNCTORY, REGION, Node, program_environment, run, running_node, wait_for

OTHER = "444455556666"
NAMES = itertools.count(1)

ASKS = """
    import boto3, os

    def handler(event, context):
        client = boto3.client(event["service"])
        try:
            answer = getattr(client, event["call"])(**event.get("with", {}))
        except Exception as error:
            return {"error": str(error)}
        return {"keys": sorted(answer), "key": os.environ["AWS_ACCESS_KEY_ID"]}
"""


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str | list[str], resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


BY_LAMBDA = document({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"})


class Somebody:
    """Credentials and the clients made with them."""

    def __init__(self, node: Node, key: str, secret: str, token: str | None = None) -> None:
        self._node = node
        self.session = boto3.session.Session(key, secret, token, region_name=REGION)
        self.key, self.secret = key, secret

    def client(self, service: str) -> Any:
        config = Config(retries={"total_max_attempts": 1})
        return self.session.client(service, endpoint_url=self._node.url, config=config)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("guarded") / "data"
    with running_node(folder, FUNCTORY_AUTH_MODE="iam") as node:
        yield node
        assert not node.faults()


def administrator(node: Node, *arguments: str) -> Somebody:
    made = json.loads(node.functory("iam", "bootstrap", "--json", "--data-dir", str(node.data_dir), *arguments).stdout)
    return Somebody(node, made["access_key_id"], made["secret_access_key"])


@pytest.fixture(scope="module")
def admin(guarded: Node) -> Somebody:
    return administrator(guarded)


@pytest.fixture(scope="module")
def account(admin: Somebody) -> str:
    arn: str = admin.client("iam").get_user()["User"]["Arn"]
    return arn.split(":")[4]


@pytest.fixture
def make_user(guarded: Node, admin: Somebody) -> Callable[..., Somebody]:
    """Makes a user with one inline policy."""

    def make(*statements: dict[str, Any], name: str = "") -> Somebody:
        iam, name = admin.client("iam"), name or f"user-{next(NAMES)}"
        iam.create_user(UserName=name)
        if statements:
            iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document(*statements))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return Somebody(guarded, key["AccessKeyId"], key["SecretAccessKey"])

    return make


@pytest.fixture
def make_role(admin: Somebody) -> Callable[..., str]:
    """Makes a role of Lambda with one inline policy; returns its ARN."""

    def make(*statements: dict[str, Any], trust: str = BY_LAMBDA, **more: Any) -> str:
        iam, name = admin.client("iam"), f"role-{next(NAMES)}"
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, **more)["Role"]
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(*statements))
        return str(role["Arn"])

    return make


def refused(what: Callable[[], Any]) -> tuple[str, int, str]:
    """Code, status and text of the error."""
    with pytest.raises(ClientError) as caught:
        what()
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]


@pytest.mark.parametrize(
    ("service", "ask", "code", "status"),
    [
        ("lambda", "list_functions", "InvalidSignatureException", 403),
        ("logs", "describe_log_groups", "InvalidSignatureException", 400),
        ("iam", "list_users", "SignatureDoesNotMatch", 403),
    ],
)
def test_a_wrong_secret_is_refused(guarded: Node, admin: Somebody, service: str, ask: str, code: str, status: int) -> None:
    forger = Somebody(guarded, admin.key, admin.secret[:-1] + ("x" if admin.secret[-1] != "x" else "y"))
    found = refused(getattr(forger.client(service), ask))
    assert found[:2] == (code, status)
    assert found[2].startswith("The request signature we calculated does not match the signature you provided.")


def test_an_unknown_key_is_refused(guarded: Node) -> None:
    stranger = Somebody(guarded, "AKIAXXXXXXXXXXXXXXXX", "secret")
    text = "The security token included in the request is invalid."
    assert refused(stranger.client("lambda").list_functions) == ("UnrecognizedClientException", 403, text)
    assert refused(stranger.client("iam").list_users) == ("InvalidClientTokenId", 403, text)


def test_an_unsigned_request_is_refused(guarded: Node) -> None:
    client = boto3.client("lambda", endpoint_url=guarded.url, region_name=REGION, config=Config(signature_version=UNSIGNED))
    assert refused(client.list_functions) == ("MissingAuthenticationTokenException", 403, "Missing Authentication Token")
    code, status, _ = refused(lambda: client.invoke(FunctionName="f"))
    assert (code, status) == ("MissingAuthenticationTokenException", 403)


def test_a_key_that_was_made_inactive_or_deleted_is_refused_at_once(
    admin: Somebody, make_user: Callable[..., Somebody]
) -> None:
    user, iam = make_user(allow("lambda:*"), name="leaver"), admin.client("iam")
    user.client("lambda").list_functions()
    iam.update_access_key(UserName="leaver", AccessKeyId=user.key, Status="Inactive")
    assert refused(user.client("lambda").list_functions)[0] == "UnrecognizedClientException"
    iam.update_access_key(UserName="leaver", AccessKeyId=user.key, Status="Active")
    user.client("lambda").list_functions()
    iam.delete_access_key(UserName="leaver", AccessKeyId=user.key)
    assert refused(user.client("lambda").list_functions)[0] == "UnrecognizedClientException"


def test_a_right_secret_without_permission_gets_aws_s_text(
    admin: Somebody, account: str, make_user: Callable[..., Somebody]
) -> None:
    user = make_user(name="nobody")
    arn, function = f"arn:aws:iam::{account}:user/nobody", f"arn:aws:lambda:{REGION}:{account}:function:f"
    text = (
        f"User: {arn} is not authorized to perform: lambda:GetFunction on resource: {function} because no identity-based "
        "policy allows the lambda:GetFunction action"
    )
    assert refused(lambda: user.client("lambda").get_function(FunctionName="f")) == ("AccessDeniedException", 403, text)
    assert refused(user.client("iam").list_roles)[:2] == ("AccessDenied", 403)
    assert refused(user.client("logs").describe_log_groups)[:2] == ("AccessDeniedException", 400)
    iam = admin.client("iam")
    denies = {"Effect": "Deny", "Action": "lambda:Get*", "Resource": "*"}
    iam.put_user_policy(UserName="nobody", PolicyName="p", PolicyDocument=document(allow("*"), denies))
    found = refused(lambda: user.client("lambda").get_function(FunctionName="f"))
    assert found[2].endswith(f"on resource: {function} with an explicit deny in an identity-based policy")


def test_a_refusal_is_in_the_node_s_log(guarded: Node, make_user: Callable[..., Somebody]) -> None:
    user = make_user({"Sid": "NotThis", "Effect": "Deny", "Action": "lambda:ListLayers", "Resource": "*"}, name="logged")
    refused(user.client("lambda").list_layers)

    def line() -> dict[str, Any] | None:
        lines = guarded.log_file.read_text().splitlines()
        events = [json.loads(text) for text in lines if '"access_denied"' in text and "user/logged" in text]
        return events[-1] if events else None

    event = wait_for(line, "the refusal is logged")
    assert (event["action"], event["policy"], event["statement"]) == ("lambda:ListLayers", "p", "NotThis")


def test_a_function_can_do_what_its_role_allows_and_nothing_else(admin: Somebody, make_role: Callable[..., str]) -> None:
    client = admin.client("lambda")
    role = make_role(allow("lambda:ListFunctions"), Path="/deep/")
    make_function(client, "asks", ASKS, Role=role, Timeout=30, MemorySize=512)
    done = call(client, "asks", {"service": "lambda", "call": "list_functions"})
    assert "Functions" in done["keys"]
    assert done["key"].startswith("ASIA")
    denied = call(client, "asks", {"service": "lambda", "call": "list_layers"})
    assert f"assumed-role/{role.rpartition('/')[2]}/asks is not authorized to perform: lambda:ListLayers" in denied["error"]
    iam = admin.client("iam")
    iam.delete_role_policy(RoleName=role.rpartition("/")[2], PolicyName="p")
    assert "not authorized" in call(client, "asks", {"service": "lambda", "call": "list_functions"})["error"]


def test_policies_can_name_the_function_that_calls(admin: Somebody, account: str, make_role: Callable[..., str]) -> None:
    client = admin.client("lambda")
    name = f"arn:aws:lambda:{REGION}:{account}:function:asks-one"
    only = {"Condition": {"ArnEquals": {"lambda:SourceFunctionArn": name}}}
    role = make_role(allow("lambda:ListFunctions", **only))
    for function in ("asks-one", "asks-two"):
        make_function(client, function, ASKS, Role=role, Timeout=30, MemorySize=512)
    assert "keys" in call(client, "asks-one", {"service": "lambda", "call": "list_functions"})
    assert "not authorized" in call(client, "asks-two", {"service": "lambda", "call": "list_functions"})["error"]


class TestRolesOfFunctions:
    def create(self, client: Any, role: str) -> Any:
        return client.create_function(
            FunctionName=f"of-role-{next(NAMES)}",
            Role=role,
            Runtime="python3.11",
            Handler="app.handler",
            Code={"ZipFile": code_of("def handler(event, context): return 1")},
        )

    def test_lambda_must_be_trusted(self, admin: Somebody, account: str, make_role: Callable[..., str]) -> None:
        trust = document({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"})
        text = "The role defined for the function cannot be assumed by Lambda."
        for role in (make_role(trust=trust), f"arn:aws:iam::{account}:role/none"):
            found = refused(lambda role=role: self.create(admin.client("lambda"), role))
            assert found == ("InvalidParameterValueException", 400, text)

    def test_the_caller_must_be_allowed_to_pass_it(
        self, make_user: Callable[..., Somebody], make_role: Callable[..., str]
    ) -> None:
        role = make_role()
        user = make_user(allow("lambda:*"))
        found = refused(lambda: self.create(user.client("lambda"), role))
        assert found[:2] == ("AccessDeniedException", 403)
        assert f"iam:PassRole on resource: {role} because no identity-based policy" in found[2]
        passer = make_user(allow("lambda:*"), allow("iam:PassRole", role))
        self.create(passer.client("lambda"), role)

    def test_of_another_account_it_is_refused(self, admin: Somebody) -> None:
        found = refused(lambda: self.create(admin.client("lambda"), f"arn:aws:iam::{OTHER}:role/r"))
        assert found == ("AccessDeniedException", 403, "Cross-account pass role is not allowed.")

    def test_a_function_whose_role_is_gone_does_not_run(self, admin: Somebody, make_role: Callable[..., str]) -> None:
        client, iam, role = admin.client("lambda"), admin.client("iam"), make_role()
        name = make_function(client, "orphan", "def handler(event, context): return 1", Role=role)["FunctionName"]
        iam.delete_role(RoleName=role.rpartition("/")[2])
        client.update_function_configuration(FunctionName=name, Description="a new environment is needed")
        wait_updated(client, name)
        found = refused(lambda: client.invoke(FunctionName=name))
        assert found == ("AccessDeniedException", 403, "The role defined for the function cannot be assumed by Lambda.")


def test_destinations_are_told_with_the_function_s_role(
    guarded: Node, admin: Somebody, account: str, make_role: Callable[..., str]
) -> None:
    client, iam = admin.client("lambda"), admin.client("iam")
    told = f"arn:aws:lambda:{REGION}:{account}:function:told"
    make_function(client, "told", "def handler(event, context): print('told', event['requestPayload'])", Role=make_role())
    role = make_role()
    make_function(client, "tells", Role=role)
    wanted = {"FunctionName": "tells", "DestinationConfig": {"OnSuccess": {"Destination": told}}}
    code, _, text = refused(lambda: client.put_function_event_invoke_config(**wanted))
    assert code == "InvalidParameterValueException"
    assert text == f"The function's execution role does not have permissions to call InvokeFunction on {told}"
    name = role.rpartition("/")[2]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(allow("lambda:InvokeFunction", told)))
    client.put_function_event_invoke_config(**wanted)
    client.invoke(FunctionName="tells", InvocationType="Event", Payload=b'"first"')

    def printed() -> bool:
        logs = admin.client("logs")
        with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
            events = logs.filter_log_events(logGroupName="/aws/lambda/told")["events"]
            return any("told first" in event["message"] for event in events)
        return False

    wait_for(printed, "the destination was told")
    iam.delete_role_policy(RoleName=name, PolicyName="p")
    client.invoke(FunctionName="tells", InvocationType="Event", Payload=b'"second"')
    wait_for(lambda: "destination_not_told" in guarded.log_file.read_text(), "the destination is not told any more")


def test_dead_letters_are_sent_with_the_function_s_role(
    admin: Somebody, account: str, make_role: Callable[..., str]
) -> None:
    client, sqs = admin.client("lambda"), admin.client("sqs")
    url = sqs.create_queue(QueueName="dead-letters")["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:{account}:dead-letters"
    config: dict[str, Any] = {"DeadLetterConfig": {"TargetArn": arn}}
    source = "def handler(event, context): raise RuntimeError('never')"
    make_function(client, "dies", source, Role=make_role())
    code, status, text = refused(lambda: client.update_function_configuration(FunctionName="dies", **config))
    assert (code, status) == ("InvalidParameterValueException", 400)
    assert text == "The provided execution role does not have permissions to call SendMessage on SQS"
    make_function(client, "dies-well", source, Role=make_role(allow("sqs:SendMessage", arn)), **config)
    client.put_function_event_invoke_config(
        FunctionName="dies-well", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": arn}}
    )
    client.invoke(FunctionName="dies-well", InvocationType="Event", Payload=b"1")
    bodies: set[str] = set()

    def both_there() -> bool:
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        bodies.update(message["Body"] for message in found.get("Messages", []))
        return len(bodies) == 2

    wait_for(both_there, "the event and the record of its failure have arrived")
    assert "1" in bodies


def test_queues_feed_functions_with_their_role(
    guarded: Node, admin: Somebody, account: str, make_role: Callable[..., str]
) -> None:
    client, sqs, iam = admin.client("lambda"), admin.client("sqs"), admin.client("iam")
    queue = f"arn:aws:sqs:{REGION}:{account}:feeds"
    url = sqs.create_queue(QueueName="feeds")["QueueUrl"]
    role = make_role()
    make_function(client, "fed", "def handler(event, context): print('fed', event['Records'][0]['body'])", Role=role)
    wanted = {"FunctionName": "fed", "EventSourceArn": queue, "BatchSize": 1}
    code, _, text = refused(lambda: client.create_event_source_mapping(**wanted))
    assert code == "InvalidParameterValueException"
    assert text == "The provided execution role does not have permissions to call ReceiveMessage on SQS"
    needs = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    iam.put_role_policy(RoleName=role.rpartition("/")[2], PolicyName="p", PolicyDocument=document(allow(needs, queue)))
    mapping = client.create_event_source_mapping(**wanted)["UUID"]
    sqs.send_message(QueueUrl=url, MessageBody="message")

    def printed() -> bool:
        logs = admin.client("logs")
        with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
            events = logs.filter_log_events(logGroupName="/aws/lambda/fed")["events"]
            return any("fed message" in event["message"] for event in events)
        return False

    wait_for(printed, "the queue feeds the function")
    client.delete_event_source_mapping(UUID=mapping)


@pytest.fixture(scope="module")
def stranger(guarded: Node) -> Somebody:
    return administrator(guarded, "--account", OTHER)


class TestOtherAccounts:
    def test_see_nothing_of_one_another(self, stranger: Somebody, admin: Somebody, make_role: Callable[..., str]) -> None:
        make_function(admin.client("lambda"), "private", Role=make_role())
        assert not stranger.client("lambda").list_functions()["Functions"]
        assert (
            refused(lambda: stranger.client("lambda").get_function(FunctionName="private"))[0] == "ResourceNotFoundException"
        )

    def test_reach_a_function_only_with_its_policy(
        self, stranger: Somebody, admin: Somebody, make_role: Callable[..., str]
    ) -> None:
        client = admin.client("lambda")
        arn = make_function(client, "shared", Role=make_role())["FunctionArn"]
        found = refused(lambda: stranger.client("lambda").invoke(FunctionName=arn))
        assert found[:2] == ("AccessDeniedException", 403)
        assert found[2].endswith("because no resource-based policy allows the lambda:InvokeFunction action")
        client.add_permission(FunctionName="shared", StatementId="s", Action="lambda:InvokeFunction", Principal=OTHER)
        assert call(stranger.client("lambda"), arn, {"a": 1}) == {"a": 1}
        assert refused(lambda: stranger.client("lambda").get_function(FunctionName=arn))[0] == "AccessDeniedException"
        client.remove_permission(FunctionName="shared", StatementId="s")
        assert refused(lambda: stranger.client("lambda").invoke(FunctionName=arn))[0] == "AccessDeniedException"


def test_a_presigned_request(guarded: Node, admin: Somebody) -> None:
    client = admin.client("iam")
    url = client.generate_presigned_url("get_account_summary", HttpMethod="GET")
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.status == 200
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url.replace("GetAccountSummary", "ListUsers"), timeout=10)
    assert caught.value.code == 403
    assert b"SignatureDoesNotMatch" in caught.value.read()
    caught.value.close()


def test_the_command_line_uses_the_credentials_of_its_environment(guarded: Node, admin: Somebody) -> None:
    environ = program_environment(
        {
            "AWS_ENDPOINT_URL": guarded.url,
            "AWS_ACCESS_KEY_ID": admin.key,
            "AWS_SECRET_ACCESS_KEY": admin.secret,
            "AWS_DEFAULT_REGION": REGION,
        }
    )
    run(*FUNCTORY, "ls", environ=environ)
    failed = run(*FUNCTORY, "ls", environ={**environ, "AWS_SECRET_ACCESS_KEY": "wrong"}, check=False)
    assert failed.returncode != 0
    assert "InvalidSignatureException" in failed.stderr


class TestFunctionUrls:
    def ask(self, node: Node, url: str, who: Somebody | None = None) -> int:
        """The status of a GET, signed by somebody or by nobody."""
        request = AWSRequest(method="GET", url=url, headers={"Host": urlsplit(url).netloc})
        if who is not None:
            SigV4Auth(who.session.get_credentials(), "lambda", REGION).add_auth(request)
        place = urlsplit(node.url)
        connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=20)
        try:
            connection.request("GET", urlsplit(url).path or "/", headers=dict(request.headers.items()))
            return connection.getresponse().status
        finally:
            connection.close()

    def open_to(self, client: Any, name: str, principal: str, auth_type: str) -> None:
        for number, action in enumerate(("lambda:InvokeFunctionUrl", "lambda:InvokeFunction")):
            more = {"FunctionUrlAuthType": auth_type} if number == 0 else {"InvokedViaFunctionUrl": True}
            client.add_permission(FunctionName=name, StatementId=f"url-{number}", Action=action, Principal=principal, **more)

    def test_for_everybody_need_the_function_s_policy(
        self, guarded: Node, admin: Somebody, make_role: Callable[..., str]
    ) -> None:
        client = admin.client("lambda")
        make_function(client, "public", Role=make_role())
        url = client.create_function_url_config(FunctionName="public", AuthType="NONE")["FunctionUrl"]
        assert self.ask(guarded, url) == 403
        self.open_to(client, "public", "*", "NONE")
        assert self.ask(guarded, url) == 200
        assert refused(lambda: Somebody(guarded, "AKIAXXXXXXXXXXXXXXXX", "x").client("lambda").invoke(FunctionName="public"))

    def test_for_the_signed_need_policies_too(
        self, guarded: Node, admin: Somebody, make_role: Callable[..., str], make_user: Callable[..., Somebody]
    ) -> None:
        client = admin.client("lambda")
        make_function(client, "signed", Role=make_role())
        url = client.create_function_url_config(FunctionName="signed", AuthType="AWS_IAM")["FunctionUrl"]
        nobody, half = make_user(), make_user(allow("lambda:InvokeFunctionUrl"))
        via = {"Condition": {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}}
        whole = make_user(allow("lambda:InvokeFunctionUrl"), allow("lambda:InvokeFunction", **via))
        forger = Somebody(guarded, whole.key, "wrong")
        assert [self.ask(guarded, url, who) for who in (None, forger, nobody, half, whole)] == [403, 403, 403, 403, 200]
        assert refused(lambda: whole.client("lambda").invoke(FunctionName="signed"))[0] == "AccessDeniedException"


def test_when_a_key_and_a_role_were_used_last_is_told(
    admin: Somebody, make_user: Callable[..., Somebody], make_role: Callable[..., str]
) -> None:
    iam = admin.client("iam")
    user = make_user(allow("logs:DescribeLogGroups"))
    unused = iam.get_access_key_last_used(AccessKeyId=user.key)["AccessKeyLastUsed"]
    assert unused == {"ServiceName": "N/A", "Region": "N/A"}
    user.client("logs").describe_log_groups()
    used = iam.get_access_key_last_used(AccessKeyId=user.key)["AccessKeyLastUsed"]
    assert (used["ServiceName"], used["Region"]) == ("logs", REGION)
    assert abs((used["LastUsedDate"] - datetime.now(UTC)).total_seconds()) < 60
    role = make_role(allow("logs:*"), allow("sqs:ListQueues"))
    name = role.rpartition("/")[2]
    assert iam.get_role(RoleName=name)["Role"]["RoleLastUsed"] == {}
    aws_lambda = admin.client("lambda")
    make_function(aws_lambda, "uses-its-role", ASKS, Role=role)
    assert call(aws_lambda, "uses-its-role", {"service": "sqs", "call": "list_queues"})["keys"]
    assert iam.get_role(RoleName=name)["Role"]["RoleLastUsed"]["Region"] == REGION
    aws_lambda.delete_function(FunctionName="uses-its-role")


def test_a_user_who_names_nobody_means_itself(make_user: Callable[..., Somebody]) -> None:
    user = make_user(allow("iam:*AccessKey*", "arn:aws:iam::*:user/${aws:username}"), allow("iam:GetUser"), name="rotates")
    iam = user.client("iam")
    assert iam.get_user()["User"]["UserName"] == "rotates"
    second = iam.create_access_key()["AccessKey"]
    assert second["UserName"] == "rotates"
    assert {key["AccessKeyId"] for key in iam.list_access_keys()["AccessKeyMetadata"]} == {user.key, second["AccessKeyId"]}
    iam.update_access_key(AccessKeyId=second["AccessKeyId"], Status="Inactive")
    iam.delete_access_key(AccessKeyId=second["AccessKeyId"])
    assert refused(lambda: iam.list_access_keys(UserName="admin"))[:2] == ("AccessDenied", 403)


def test_a_simulation_decides_as_the_node_does(admin: Somebody, account: str, make_user: Callable[..., Somebody]) -> None:
    user = make_user(
        allow("logs:DescribeLogGroups"),
        {"Effect": "Deny", "Action": "sqs:*", "Resource": "*"},
        allow("sqs:ListQueues"),
        name="simulated",
    )
    arn = f"arn:aws:iam::{account}:user/simulated"
    actions = {"logs:DescribeLogGroups": "allowed", "sqs:ListQueues": "explicitDeny", "lambda:ListFunctions": "implicitDeny"}
    answer = admin.client("iam").simulate_principal_policy(PolicySourceArn=arn, ActionNames=list(actions))
    assert {each["EvalActionName"]: each["EvalDecision"] for each in answer["EvaluationResults"]} == actions
    user.client("logs").describe_log_groups()
    for what in (user.client("sqs").list_queues, user.client("lambda").list_functions):
        assert refused(what)[1] == 403


def test_the_aws_cli_signs_as_the_node_wants(guarded: Node, admin: Somebody, account: str) -> None:
    keys = {"AWS_ACCESS_KEY_ID": admin.key, "AWS_SECRET_ACCESS_KEY": admin.secret}
    environ = program_environment({"AWS_ENDPOINT_URL": guarded.url, "AWS_DEFAULT_REGION": REGION, **keys})
    aws = str(Path(sys.executable).with_name("aws"))
    who = json.loads(run(aws, "sts", "get-caller-identity", "--output", "json", environ=environ).stdout)
    assert who["Arn"] == f"arn:aws:iam::{account}:user/admin"
    run(aws, "lambda", "list-functions", environ=environ)
    wrong = run(aws, "lambda", "list-functions", environ={**environ, "AWS_SECRET_ACCESS_KEY": "wrong"}, check=False)
    assert "InvalidSignatureException" in wrong.stderr


class TestSts:
    def trusted(self, account: str, **more: Any) -> str:
        return document({"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole", **more})

    def assume(self, who: Somebody, node: Node, role: str, **more: Any) -> Somebody:
        answer = who.client("sts").assume_role(RoleArn=role, RoleSessionName="s1", **more)["Credentials"]
        return Somebody(node, answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])

    def test_who_is_it(self, admin: Somebody, account: str) -> None:
        found = admin.client("sts").get_caller_identity()
        assert (found["Account"], found["Arn"]) == (account, f"arn:aws:iam::{account}:user/admin")
        assert found["UserId"].startswith("AIDA")

    def test_a_role_is_assumed_with_the_agreed_external_id(
        self, guarded: Node, admin: Somebody, account: str, make_role: Callable[..., str]
    ) -> None:
        agreed = {"Condition": {"StringEquals": {"sts:ExternalId": "agreed"}}}
        role = make_role(allow("lambda:ListFunctions"), trust=self.trusted(account, **agreed))
        code, status, text = refused(lambda: self.assume(admin, guarded, role))
        assert (code, status) == ("AccessDenied", 403)
        assert text.endswith(f"is not authorized to perform: sts:AssumeRole on resource: {role}")
        session = self.assume(admin, guarded, role, ExternalId="agreed")
        arn = session.client("sts").get_caller_identity()["Arn"]
        assert arn == f"arn:aws:sts::{account}:assumed-role/{role.rpartition('/')[2]}/s1"
        session.client("lambda").list_functions()
        assert f"User: {arn} is not authorized" in refused(session.client("lambda").list_layers)[2]

    def test_session_policies_narrow_it(
        self, guarded: Node, admin: Somebody, account: str, make_role: Callable[..., str]
    ) -> None:
        role = make_role(allow("lambda:*"), trust=self.trusted(account))
        session = self.assume(admin, guarded, role, Policy=document(allow("lambda:ListLayers")))
        session.client("lambda").list_layers()
        assert "because no session policy allows" in refused(session.client("lambda").list_functions)[2]
        managed = [{"arn": "arn:aws:iam::aws:policy/AdministratorAccess"}]
        self.assume(admin, guarded, role, PolicyArns=managed).client("lambda").list_functions()

    def test_a_session_ends_with_its_role(
        self, guarded: Node, admin: Somebody, account: str, make_role: Callable[..., str]
    ) -> None:
        role, iam = make_role(allow("lambda:*"), trust=self.trusted(account)), admin.client("iam")
        session = self.assume(admin, guarded, role)
        session.client("lambda").list_functions()
        name = role.rpartition("/")[2]
        iam.delete_role_policy(RoleName=name, PolicyName="p")
        assert refused(session.client("lambda").list_functions)[0] == "AccessDeniedException"
        iam.delete_role(RoleName=name)
        assert refused(session.client("lambda").list_functions)[0] == "AccessDeniedException"

    def test_a_changed_token_is_refused(
        self, guarded: Node, admin: Somebody, account: str, make_role: Callable[..., str]
    ) -> None:
        credentials = admin.client("sts").get_session_token()["Credentials"]
        token = credentials["SessionToken"]
        changed = token[:40] + ("A" if token[40] != "A" else "B") + token[41:]
        forger = Somebody(guarded, credentials["AccessKeyId"], credentials["SecretAccessKey"], changed)
        text = "The security token included in the request is invalid."
        assert refused(forger.client("lambda").list_functions) == ("UnrecognizedClientException", 403, text)

    def test_sessions_survive_a_restart(self, guarded: Node, admin: Somebody) -> None:
        credentials = admin.client("sts").get_session_token()["Credentials"]
        guarded.stop()
        guarded.start()
        session = Somebody(guarded, credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"])
        session.client("lambda").list_functions()
