"""SnapStart as a client of AWS sees it: published once, restored many times."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from functory.kernel import settings
from functory.runtimes.catalog import Catalog
from functory.runtimes.port import RuntimeMissing
from functory.sandbox.probe import find_runtime
from tests.support.functions import make_function
from tests.support.node import Node, running_node, wait_for

ON = {"ApplyOn": "PublishedVersions"}
ABOUT = {"Runtime": "python3.12", "MemorySize": 256, "Timeout": 30, "SnapStart": ON}
SOURCE = """
import os, random, secrets, threading, time, uuid
from snapshot_restore_py import register_after_restore, register_before_snapshot
print("init runs")
open("/tmp/of-init", "w").close()
INIT = {"random": random.random(), "uuid": str(uuid.uuid4())}
HOOKS = []
TICKS = [0]
def tick():
    while True:
        time.sleep(0.01)
        TICKS[0] += 1
threading.Thread(target=tick, daemon=True).start()
@register_before_snapshot
def before():
    HOOKS.append("before")
@register_after_restore
def after():
    HOOKS.append("after")
    INIT["restored_at"] = time.time()
def handler(event, context):
    before = TICKS[0]
    time.sleep(event.get("sleep", 0.2))
    if event.get("exit"):
        os._exit(3)
    files = sorted(os.listdir("/tmp"))
    open("/tmp/of-handler", "w").close()
    return {
        "init": INIT, "hooks": HOOKS, "ticks": TICKS[0] > before, "files": files, "log": context.log_stream_name,
        "random": random.random(), "secret": secrets.token_hex(), "uuid": str(uuid.uuid4()),
        "late_s": abs(time.time() - INIT["restored_at"]), "env": sorted(os.environ),
        "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
    }
"""
HOOK = """
from snapshot_restore_py import register_{when}
import time
def hook():
    {does}
register_{when}(hook)
def handler(event, context):
    return 1
"""
CONNECTED = """
import boto3
client = boto3.client("lambda")
NAME = client.get_function_configuration(FunctionName="{name}")["FunctionName"]
def handler(event, context):
    keys = boto3.Session().get_credentials().get_frozen_credentials()
    again = client.get_function_configuration(FunctionName="{name}")["FunctionName"]
    return [NAME, again, bool(keys.access_key and keys.token)]
"""


@pytest.fixture(scope="module", autouse=True)
def _can_keep_sandboxes(node: Node) -> None:
    if not node.health()["driver"].startswith("oci/"):
        pytest.skip("this node does not isolate")
    if find_runtime("runsc") is None:
        pytest.skip("runsc is not installed")
    try:
        asyncio.run(Catalog(settings.load().runtimes).resolve("python3.12"))
    except RuntimeMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def restored(aws_lambda: Any) -> Iterator[str]:
    """A function with a version 1 that is active."""
    make_function(aws_lambda, "snap-start", SOURCE, **ABOUT)
    version = aws_lambda.publish_version(FunctionName="snap-start")
    assert version["State"] == "Pending"
    assert version["StateReasonCode"] == "Creating"
    assert version["SnapStart"] == {**ON, "OptimizationStatus": "On"}
    with pytest.raises(aws_lambda.exceptions.SnapStartNotReadyException) as refused:
        aws_lambda.invoke(FunctionName="snap-start", Qualifier="1")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    wait_published(aws_lambda, "snap-start")
    yield "snap-start"
    aws_lambda.delete_function(FunctionName="snap-start")


def wait_published(client: Any, name: str) -> None:
    """Wait with AWS's own waiter until version 1 is active, looking more often than it does by itself."""
    config = {"Delay": 0.1, "MaxAttempts": 600}
    client.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="1", WaiterConfig=config)


def call(client: Any, name: str, **event: object) -> tuple[dict[str, Any], str]:
    """What version 1 answers, and the tail of its log."""
    answer = client.invoke(FunctionName=name, Qualifier="1", LogType="Tail", Payload=json.dumps(event))
    assert "FunctionError" not in answer, answer["Payload"].read()
    return json.loads(answer["Payload"].read()), base64.b64decode(answer["LogResult"]).decode()


def test_init_runs_once_and_every_restore_differs(restored: str, aws_lambda: Any, logs: Any) -> None:
    with ThreadPoolExecutor(3) as threads:
        answers = list(threads.map(lambda _: call(aws_lambda, restored, sleep=4), range(3)))
    seen = [answer for answer, _ in answers]
    assert len({answer["init"]["random"] for answer in seen}) == 1
    assert len({answer["init"]["uuid"] for answer in seen}) == 1
    for value in ("random", "secret", "uuid"):
        assert len({answer[value] for answer in seen}) == 3, value
    for answer, tail in answers:
        assert answer["hooks"] == ["before", "after"]
        assert answer["type"] == "snap-start"
        assert answer["files"] == ["of-init"]
        assert answer["ticks"]
        assert answer["log"] is None
        assert answer["late_s"] < 30
        assert "Restore Duration: " in tail
        assert "Billed Restore Duration: " in tail
        assert "Init Duration" not in tail
        assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} & set(answer["env"])
        assert {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"} <= set(answer["env"])
    group = f"/aws/lambda/{restored}"
    texts = [event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]
    assert texts.count("init runs\n") == 1
    assert sum(text.startswith("INIT_REPORT Init Duration: ") for text in texts) == 1
    assert sum(text.startswith("RESTORE_START Runtime Version: python:3.12") for text in texts) == 3
    assert sum(text.startswith("RESTORE_REPORT Restore Duration: ") for text in texts) == 3


def test_an_environment_that_ended_begins_from_the_snapshot_again(restored: str, aws_lambda: Any) -> None:
    answer = aws_lambda.invoke(FunctionName=restored, Qualifier="1", Payload=b'{"exit": 1}')
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorType"] == "Runtime.ExitError"
    again, _ = call(aws_lambda, restored)
    assert "of-init" in again["files"]


def test_only_published_versions_have_it(restored: str, aws_lambda: Any) -> None:
    shown = aws_lambda.get_function_configuration(FunctionName=restored)
    assert shown["SnapStart"] == {**ON, "OptimizationStatus": "Off"}
    shown = aws_lambda.get_function_configuration(FunctionName=restored, Qualifier="1")
    assert shown["SnapStart"] == {**ON, "OptimizationStatus": "On"}
    assert shown["State"] == "Active"


def test_connections_of_the_init_are_made_anew_and_credentials_are_found(aws_lambda: Any, make: Callable[..., str]) -> None:
    make("snap-connected", CONNECTED.format(name="snap-connected"), **ABOUT)
    aws_lambda.publish_version(FunctionName="snap-connected")
    wait_published(aws_lambda, "snap-connected")
    answer, _ = call(aws_lambda, "snap-connected")
    assert answer == ["snap-connected", "snap-connected", True]  # type: ignore[comparison-overlap]


@pytest.mark.parametrize(
    ("does", "status", "code", "line"),
    [
        ("raise ValueError('no')", 400, "SnapStartException", "Status: error\tError Type: Runtime.AfterRestoreError\n"),
        ("time.sleep(60)", 408, "SnapStartTimeoutException", "Status: timeout\n"),
    ],
)
def test_an_after_restore_hook_that_fails_fails_the_invocation(
    aws_lambda: Any, logs: Any, make: Callable[..., str], does: str, status: int, code: str, line: str
) -> None:
    name = f"snap-hook-{status}"
    make(name, HOOK.format(when="after_restore", does=does), **ABOUT)
    aws_lambda.publish_version(FunctionName=name)
    wait_published(aws_lambda, name)
    with pytest.raises(ClientError) as refused:
        aws_lambda.invoke(FunctionName=name, Qualifier="1")
    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    texts = [event["message"] for event in logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]]
    assert [text for text in texts if text.startswith("RESTORE_REPORT ") and text.endswith(line)]


def test_a_before_snapshot_hook_that_fails_fails_the_version(aws_lambda: Any, make: Callable[..., str]) -> None:
    make("snap-before", HOOK.format(when="before_snapshot", does="raise ValueError('no')"), **ABOUT)
    aws_lambda.publish_version(FunctionName="snap-before")
    with pytest.raises(WaiterError):
        wait_published(aws_lambda, "snap-before")
    shown = aws_lambda.get_function_configuration(FunctionName="snap-before", Qualifier="1")
    assert (shown["State"], shown["StateReasonCode"]) == ("Failed", "FunctionError.RuntimeInitError")
    assert "Runtime.BeforeSnapshotError" in shown["StateReason"]


def test_a_runtime_without_it_is_refused(aws_lambda: Any) -> None:
    with pytest.raises(aws_lambda.exceptions.InvalidParameterValueException, match="is not supported for SnapStart enabled"):
        make_function(aws_lambda, "snap-node", SOURCE, **{**ABOUT, "Runtime": "nodejs20.x"})


def test_a_snapshot_outlives_the_node_and_goes_with_its_version(tmp_path: Path) -> None:
    with running_node(tmp_path / "data") as node:
        client = node.client("lambda")
        make_function(client, "f", SOURCE, **ABOUT)
        client.publish_version(FunctionName="f")
        wait_published(client, "f")
        before, _ = call(client, "f")
        node.kill()
    with running_node(tmp_path / "data") as node:
        client = node.client("lambda")
        after, _ = call(client, "f")
        assert after["init"]["uuid"] == before["init"]["uuid"]
        assert after["uuid"] != before["uuid"]
        assert len(list((tmp_path / "data" / "snapshots").iterdir())) == 1
        client.delete_function(FunctionName="f")
        wait_for(lambda: not list((tmp_path / "data" / "snapshots").iterdir()), "the end of the snapshot")
