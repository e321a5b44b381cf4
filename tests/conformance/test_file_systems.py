from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tests.support.functions import call, make_function, wait_updated
from tests.support.node import running_node

KEEPS = """
import pathlib
def handler(event, context):
    file = pathlib.Path("/mnt/data/kept")
    if event is not None:
        file.write_text(event)
    return file.read_text()
"""
ARN = "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-0123456789abcdef0"


def test_a_function_keeps_files_in_a_folder_of_the_host(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    with running_node(tmp_path / "data", FUNCTORY_LAMBDA_FILE_SYSTEMS=f"{ARN}={folder}") as node:
        client = node.client("lambda")
        configs = [{"Arn": ARN, "LocalMountPath": "/mnt/data"}]
        created = make_function(client, "keeps", KEEPS, FileSystemConfigs=configs)
        assert created["FileSystemConfigs"] == configs
        assert call(client, "keeps", "hello") == "hello"
        assert (folder / "kept").read_text() == "hello"
        make_function(client, "reads", KEEPS, FileSystemConfigs=configs)
        assert call(client, "reads") == "hello"
        other = [{"Arn": f"{ARN[:-1]}1", "LocalMountPath": "/mnt/data"}]
        with pytest.raises(client.exceptions.InvalidParameterValueException, match="not one of this node's"):
            client.update_function_configuration(FunctionName="keeps", FileSystemConfigs=other)
        client.update_function_configuration(FunctionName="reads", FileSystemConfigs=[])
        wait_updated(client, "reads")
        failed = client.invoke(FunctionName="reads", Payload=b"null")
        assert failed["FunctionError"] == "Unhandled"
        node.stop()
    with running_node(tmp_path / "data") as node:
        client = node.client("lambda")
        with pytest.raises(client.exceptions.EFSMountFailureException) as refused:
            client.invoke(FunctionName="keeps")
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_active_tracing_is_told_to_the_function_and_to_its_log(tmp_path: Path) -> None:
    source = """
    import os
    def handler(event, context):
        return [os.environ["_X_AMZN_TRACE_ID"], os.environ["AWS_XRAY_DAEMON_ADDRESS"]]
    """
    with running_node(tmp_path / "traced", FUNCTORY_LAMBDA_XRAY_DAEMON="192.0.2.1:2000") as node:
        client = node.client("lambda")
        make_function(client, "traced", source, TracingConfig={"Mode": "Active"})
        trace_id, daemon = call(client, "traced")
        assert "Sampled=1" in trace_id
        assert daemon == "192.0.2.1:2000"
        client.update_function_configuration(FunctionName="traced", TracingConfig={"Mode": "PassThrough"})
        wait_updated(client, "traced")
        answer = client.invoke(FunctionName="traced", LogType="Tail")
        assert "Sampled=0" in answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-trace-id"]
        assert "XRAY" not in base64.b64decode(answer["LogResult"]).decode()
        client.update_function_configuration(FunctionName="traced", TracingConfig={"Mode": "Active"})
        wait_updated(client, "traced")
        tails = [base64.b64decode(client.invoke(FunctionName="traced", LogType="Tail")["LogResult"]).decode()]
        while not any("XRAY TraceId: 1-" in tail for tail in tails):
            assert len(tails) < 400, "no invocation was sampled"
            tails.append(base64.b64decode(client.invoke(FunctionName="traced", LogType="Tail")["LogResult"]).decode())
