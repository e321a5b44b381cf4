"""AWS's own toolkit for functions, unmodified, inside one."""

from __future__ import annotations

import base64
import json
import sys
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.support.functions import RUNTIME, make_function, wait_active
from tests.support.node import program_environment, run

SOURCE = """
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.metrics import MetricUnit

logger = Logger(service="orders")
tracer = Tracer(disabled=True)
metrics = Metrics(namespace="Shop", service="orders")
app = APIGatewayHttpResolver()

@app.get("/orders/<number>")
@tracer.capture_method
def get_order(number: str):
    logger.info("looking", number=number)
    metrics.add_metric(name="Lookups", unit=MetricUnit.Count, value=1)
    return {"order": number}

@logger.inject_lambda_context
@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event, context):
    return app.resolve(event, context)
"""
EVENT = {
    "version": "2.0",
    "routeKey": "GET /orders/{number}",
    "rawPath": "/orders/17",
    "rawQueryString": "",
    "headers": {"accept": "*/*"},
    "requestContext": {"http": {"method": "GET", "path": "/orders/17"}, "stage": "$default"},
    "isBase64Encoded": False,
}


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The toolkit and the function above, zipped."""
    folder = tmp_path_factory.mktemp("powertools")
    wheels = ("--only-binary=:all:", "--python-version", RUNTIME.removeprefix("python"), "--no-compile")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore")
    run(*pip, *wheels, "--target", str(folder), "aws-lambda-powertools[tracer]", environ=program_environment())
    (folder / "app.py").write_text(SOURCE, encoding="utf-8")
    return zipped(folder)


def zipped(folder: Path) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    return buffer.getvalue()


@pytest.fixture(scope="module")
def powertools(aws_lambda: Any, package: bytes) -> Iterator[str]:
    make_function(aws_lambda, "powertools", Code={"ZipFile": package}, Timeout=20, MemorySize=512)
    wait_active(aws_lambda, "powertools")
    yield "powertools"
    aws_lambda.delete_function(FunctionName="powertools")


def test_powertools_runs_unchanged(aws_lambda: Any, powertools: str) -> None:
    answer = aws_lambda.invoke(FunctionName=powertools, Payload=json.dumps(EVENT), LogType="Tail")
    result = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, result
    assert (result["statusCode"], json.loads(result["body"])) == (200, {"order": "17"})

    lines = base64.b64decode(answer["LogResult"]).decode().splitlines()
    records = [json.loads(line) for line in lines if line.startswith("{")]
    (said,) = [record for record in records if record.get("message") == "looking"]
    assert (said["level"], said["service"], said["number"]) == ("INFO", "orders", "17")
    assert said["cold_start"] is True
    assert said["function_request_id"] == answer["ResponseMetadata"]["RequestId"]
    assert said["function_arn"].endswith(":function:powertools")
    assert said["function_memory_size"] == "512"

    emitted = [record for record in records if "_aws" in record]
    assert [record["Lookups"] for record in emitted if "Lookups" in record] == [[1.0]]
    assert [record["ColdStart"] for record in emitted if "ColdStart" in record] == [[1.0]]
    assert {record["_aws"]["CloudWatchMetrics"][0]["Namespace"] for record in emitted} == {"Shop"}
