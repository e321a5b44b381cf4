"""AWS's own classes for events in Java functions, as Maven has them."""

from __future__ import annotations

import asyncio
import io
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from functory.runtimes.catalog import Catalog
from tests.support.registries import maven_jar
from tests.support.running_node import Files, Node, package

pytestmark = [
    pytest.mark.root,
    pytest.mark.timeout(300),
    pytest.mark.parametrize("runtime", ["java11", "java17", "java21", "java25"], indirect=True, scope="module"),
]
SOURCE = """
package demo;
import com.amazonaws.services.lambda.runtime.*;
import com.amazonaws.services.lambda.runtime.events.*;
import java.util.*;

public class Events {
    public List<String> queue(SQSEvent event, Context context) {
        List<String> told = new ArrayList<>();
        for (SQSEvent.SQSMessage message : event.getRecords())
            told.add(message.getMessageId() + " " + message.getBody() + " " + message.getEventSourceArn());
        return told;
    }

    public String bucket(S3Event event) {
        var record = event.getRecords().get(0);
        return record.getS3().getBucket().getName() + " " + record.getS3().getObject().getKey() + " "
            + record.getEventTime().getYear();
    }

    public String schedule(ScheduledEvent event) {
        int month = event.getTime().getMonthOfYear();
        return event.getSource() + " " + event.getDetailType() + " " + month + " " + event.getDetail();
    }

    public static class Http implements RequestHandler<APIGatewayV2HTTPEvent, APIGatewayV2HTTPResponse> {
        public APIGatewayV2HTTPResponse handleRequest(APIGatewayV2HTTPEvent event, Context context) {
            String path = event.getRequestContext().getHttp().getPath();
            return APIGatewayV2HTTPResponse.builder().withStatusCode(201).withHeaders(Map.of("path", path))
                .withBody(event.getBody()).build();
        }
    }
}
"""
JARS = {"com.amazonaws:aws-lambda-java-events": "3.16.1", "joda-time:joda-time": "2.14.0"}


@pytest.fixture(scope="session")
def jars(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("maven")
    return [maven_jar(folder, name, version) for name, version in JARS.items()]


@pytest.fixture(scope="module")
def classes(catalog: Catalog, runtime: str, jars: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Files:
    compiler = shutil.which("javac")
    if compiler is None:
        pytest.skip("needs javac")
    core = next(asyncio.run(catalog.resolve(runtime)).mounts[1].source.glob("lib/aws-lambda-java-core-*.jar"))
    folder = tmp_path_factory.mktemp("events")
    (folder / "Events.java").write_text(SOURCE)
    path = ":".join(map(str, [core, *jars]))
    argv = [compiler, "--release", "11", "-cp", path, "-d", str(folder / "out"), str(folder / "Events.java")]
    subprocess.run(argv, check=True, capture_output=True)
    found = (folder / "out").rglob("*.class")
    return {str(file.relative_to(folder / "out")): file.read_bytes() for file in found}


@pytest.fixture(scope="module")
def library(node: Node, jars: list[Path]) -> str:
    """A layer with the jars."""
    content = package({f"java/lib/{jar.name}": jar.read_bytes() for jar in jars})
    answer = node.lambda_.publish_layer_version(LayerName="java-events", Content={"ZipFile": content})
    return str(answer["LayerVersionArn"])


def test_awss_events_are_read_with_their_capital_letters_and_times(
    node: Node, runtime: str, classes: Files, library: str
) -> None:
    def call(handler: str, event: object) -> object:
        function = node.deploy(classes, runtime, handler, MemorySize=512, Layers=[library])
        answer = function.invoke(event)
        assert answer.error is None, answer.payload
        return answer.json

    message = {"messageId": "m1", "body": "ü", "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:1:q"}
    assert call("demo.Events::queue", {"Records": [message]}) == ["m1 ü arn:aws:sqs:us-east-1:1:q"]
    stored = {
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventTime": "2026-03-04T05:06:07.000Z",
        "eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": "k", "size": 3}},
    }  # fmt: skip
    assert call("demo.Events::bucket", {"Records": [stored]}) == "b k 2026"
    scheduled = {
        "source": "aws.events",
        "detail-type": "Scheduled Event",
        "time": "2026-03-04T05:06:07Z",
        "detail": {"a": 1},
    }
    assert call("demo.Events::schedule", scheduled) == "aws.events Scheduled Event 3 {a=1}"
    http = {"version": "2.0", "body": "hello", "requestContext": {"http": {"method": "POST", "path": "/orders"}}}
    told = call("demo.Events$Http", http)
    assert isinstance(told, dict)
    assert (told["statusCode"], told["headers"], told["body"]) == (201, {"path": "/orders"}, "hello")


def test_the_package_may_be_one_jar(node: Node, runtime: str, classes: Files, library: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
        for name, content in classes.items():
            jar.writestr(name, content)
    function = node.deploy({"placeholder": ""}, runtime, "demo.Events::queue", MemorySize=512, Layers=[library])
    node.lambda_.update_function_code(FunctionName=function.name, ZipFile=buffer.getvalue())
    function.wait()
    assert function.invoke({"Records": []}).json == []
