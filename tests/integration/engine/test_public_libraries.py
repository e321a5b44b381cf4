"""Libraries that functions are written with, unmodified, as their registries have them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.registries import files_of, npm_packages, python_packages
from tests.support.running_node import Files, Node, package

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]
every_node = pytest.mark.parametrize("runtime", [f"nodejs{major}.x" for major in (20, 22, 24)], indirect=True)

POWERTOOLS = """
import { Logger } from '@aws-lambda-powertools/logger';
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { logMetrics } from '@aws-lambda-powertools/metrics/middleware';
import { Tracer } from '@aws-lambda-powertools/tracer';
import middy from '@middy/core';
import httpErrorHandler from '@middy/http-error-handler';
import httpJsonBodyParser from '@middy/http-json-body-parser';

const logger = new Logger({ serviceName: 'orders' });
const metrics = new Metrics({ namespace: 'Shop', serviceName: 'orders' });
const tracer = new Tracer({ serviceName: 'orders', enabled: false });

export const handler = middy()
  .use(injectLambdaContext(logger))
  .use(logMetrics(metrics, { captureColdStartMetric: true }))
  .use(httpJsonBodyParser())
  .use(httpErrorHandler({ logger: false }))
  .handler(async (event, context) => {
    logger.info('looking', { number: event.body.number });
    metrics.addMetric('Lookups', MetricUnit.Count, 1);
    return { statusCode: 200, body: JSON.stringify([event.body.number, context.awsRequestId, tracer.isTracingEnabled()]) };
  });
"""
PACKAGES = {
    "@aws-lambda-powertools/logger": "2.36.0",
    "@aws-lambda-powertools/metrics": "2.36.0",
    "@aws-lambda-powertools/tracer": "2.36.0",
    "@middy/core": "6.4.5",
    "@middy/http-error-handler": "6.4.5",
    "@middy/http-json-body-parser": "6.4.5",
}
TRACED = """
const { trace } = require('@opentelemetry/api');
exports.handler = async (event) => trace.getTracer('app').startActiveSpan('inside', async (span) => {
  span.end();
  if (event.fail) throw new Error('no');
  return 'done';
});
"""
TRACING = """
const { BasicTracerProvider, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const { registerInstrumentations } = require('@opentelemetry/instrumentation');
const { AwsLambdaInstrumentation } = require('@opentelemetry/instrumentation-aws-lambda');
const told = ({ name, attributes, status }) => JSON.stringify({ name, attributes, status });
const exporter = {
  export(spans, done) {
    for (const span of spans) process.stdout.write(told(span) + '\\n');
    done({ code: 0 });
  },
  shutdown: async () => {}, forceFlush: async () => {},
};
const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
registerInstrumentations({ tracerProvider, instrumentations: [new AwsLambdaInstrumentation()] });
"""
"""Loaded before the function, as the wrapper of AWS's layer for OpenTelemetry does."""
OPENTELEMETRY_NODE = {
    "@opentelemetry/api": "1.9.1",
    "@opentelemetry/instrumentation": "0.223.0",
    "@opentelemetry/instrumentation-aws-lambda": "0.75.0",
    "@opentelemetry/sdk-trace-base": "2.12.1",
}
OPENTELEMETRY = """
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.instrumentation.aws_lambda import AwsLambdaInstrumentor

provider = TracerProvider(resource=Resource.create({"service.name": "orders"}))
line = lambda span: span.to_json(indent=None) + "\\n"
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(formatter=line)))
trace.set_tracer_provider(provider)

def handler(event, context):
    with trace.get_tracer("app").start_as_current_span("inside"):
        if event.get("fail"):
            raise ValueError("no")
        return "done"

AwsLambdaInstrumentor().instrument()
"""


def records(log: str) -> list[dict[str, Any]]:
    """The lines of a log that are JSON objects."""
    return [json.loads(line) for line in log.splitlines() if line.startswith("{")]


@pytest.fixture(scope="session")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("npm")
    npm_packages(folder, PACKAGES)
    (folder / "index.mjs").write_text(POWERTOOLS)
    return files_of(folder)


@every_node
def test_powertools_for_typescript_and_middy(node: Node, runtime: str, javascript: Files) -> None:
    function = node.deploy(javascript, runtime, "index.handler", MemorySize=256)
    event = {"headers": {"Content-Type": "application/json"}, "body": '{"number": 17}'}
    answer = function.invoke(event)
    assert answer.error is None, answer.payload
    assert json.loads(answer.json["body"]) == [17, answer.request_id, False]

    found = records(answer.log)
    (said,) = [record for record in found if record.get("message") == "looking"]
    assert (said["level"], said["service"], said["number"]) == ("INFO", "orders", 17)
    assert (said["function_request_id"], said["cold_start"]) == (answer.request_id, True)
    assert (said["function_name"], said["function_memory_size"]) == (function.name, "256")
    emitted = [record for record in found if "_aws" in record]
    assert [record["Lookups"] for record in emitted if "Lookups" in record] == [1]
    assert [record["ColdStart"] for record in emitted if "ColdStart" in record] == [1]

    refused = function.invoke({**event, "body": "{"})
    assert (refused.error, refused.json["statusCode"]) == (None, 415)


@pytest.mark.parametrize("runtime", ["python3.12"], indirect=True)
def test_opentelemetrys_instrumentation_of_lambda(
    node: Node, runtime: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("otel")
    python_packages(
        folder, "3.12", "opentelemetry-instrumentation-aws-lambda==0.66b1", "opentelemetry-sdk", "typing_extensions"
    )
    (folder / "app.py").write_text(OPENTELEMETRY)
    function = node.deploy(files_of(folder), runtime, MemorySize=256)
    answer = function.invoke({})
    assert answer.json == "done", answer.log
    inside, outside = records(answer.log)
    assert inside["parent_id"] == outside["context"]["span_id"]
    assert outside["name"] == function.name
    attributes = outside["attributes"]
    assert attributes["faas.invocation_id"] == answer.request_id
    assert attributes["cloud.resource_id"].endswith(f":function:{function.name}")

    failed = function.invoke({"fail": True})
    assert failed.json["errorType"] == "ValueError"
    _, outside = records(failed.log)
    assert outside["status"]["status_code"] == "ERROR"


@pytest.fixture(scope="session")
def tracing(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A layer that traces: a wrapper, what it has Node.js load first, and its modules."""
    folder = tmp_path_factory.mktemp("otel-node")
    npm_packages(folder, OPENTELEMETRY_NODE)
    modules = {f"nodejs/{name}": content for name, content in files_of(folder).items() if name.startswith("node_modules/")}
    wrapper = '#!/bin/sh\nexport NODE_OPTIONS="${NODE_OPTIONS} --require /opt/nodejs/tracing.js"\nexec "$@"\n'
    return {"wrapper": wrapper, "nodejs/tracing.js": TRACING, **modules}


@pytest.mark.parametrize("runtime", ["nodejs20.x", "nodejs22.x"], indirect=True)
def test_opentelemetrys_instrumentation_by_a_layer_with_a_wrapper(node: Node, runtime: str, tracing: Files) -> None:
    content = package(tracing, executable=("wrapper",))
    arn = node.lambda_.publish_layer_version(LayerName="tracing", Content={"ZipFile": content})["LayerVersionArn"]
    variables = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}
    function = node.deploy(TRACED, runtime, Layers=[arn], MemorySize=256, Environment={"Variables": variables})
    answer = function.invoke({})
    assert (answer.error, answer.json) == (None, "done"), answer.log
    (span,) = [record for record in records(answer.log) if record["name"] == function.name]
    assert span["attributes"]["faas.invocation_id"] == answer.request_id
    failed = function.invoke({"fail": True})
    assert failed.json["errorMessage"] == "no"
    (span,) = [record for record in records(failed.log) if record["name"] == function.name]
    assert span["status"] == {"code": 2, "message": "no"}


WEB_APPLICATION = """
import http.server, json

class App(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        size = int(self.headers.get("content-length", 0))
        told = {"path": self.path, "method": self.command, "body": self.rfile.read(size).decode(),
                "event": json.loads(self.headers.get("x-amzn-request-context", "null"))}
        body = json.dumps(told).encode()
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", 8080), App).serve_forever()
"""
RUN = "#!/bin/sh\nexec python3 -u app.py\n"
START = '#!/bin/sh\nexec "${LAMBDA_TASK_ROOT}/${_HANDLER}"\n'
"""The layer's wrapper: the program that the handler names takes the runtime's place."""


@pytest.fixture(scope="session")
def web_adapter() -> bytes:
    """AWS's Lambda Web Adapter as its crate has it; building it takes minutes, so CI does that before."""
    given = os.environ.get("FUNCTORY_TEST_WEB_ADAPTER")
    if not given:
        pytest.skip("needs FUNCTORY_TEST_WEB_ADAPTER: bin/lambda-adapter of `cargo install lambda_web_adapter`")
    return Path(given).read_bytes()


@pytest.mark.parametrize("runtime", ["python3.12"], indirect=True)
def test_awss_web_adapter_serves_a_web_application(node: Node, runtime: str, web_adapter: bytes) -> None:
    content = package(
        {"extensions/lambda-adapter": web_adapter, "bootstrap": START}, executable=("extensions/lambda-adapter", "bootstrap")
    )
    arn = node.lambda_.publish_layer_version(LayerName="web-adapter", Content={"ZipFile": content})["LayerVersionArn"]
    function = node.deploy(
        {"app.py": WEB_APPLICATION, "run.sh": RUN}, runtime, "run.sh", executable=("run.sh",), MemorySize=256, Layers=[arn],
        Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap"}},
    )  # fmt: skip
    event = {
        "version": "2.0", "routeKey": "$default", "rawPath": "/orders", "rawQueryString": "a=1", "body": "hello",
        "headers": {"host": "example.com", "content-type": "text/plain"}, "isBase64Encoded": False,
        "requestContext": {"http": {"method": "POST", "path": "/orders", "protocol": "HTTP/1.1", "sourceIp": "1.2.3.4",
            "userAgent": "x"}, "requestId": "r", "stage": "$default", "accountId": "1", "apiId": "a", "domainName": "d",
            "domainPrefix": "d", "routeKey": "$default", "time": "t", "timeEpoch": 1},
    }  # fmt: skip
    answer = function.invoke(event)
    assert answer.error is None, answer.log
    assert answer.json["statusCode"] == 200
    told = json.loads(answer.json["body"])
    assert (told["path"], told["method"], told["body"]) == ("/orders?a=1", "POST", "hello")
    assert told["event"]["http"]["method"] == "POST"
    assert function.invoke({**event, "rawPath": "/missing", "rawQueryString": ""}).json["statusCode"] == 404
    assert "Name: lambda-adapter\tState: Ready" in function.logged("Name: lambda-adapter")
