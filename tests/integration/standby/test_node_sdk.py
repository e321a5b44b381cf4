"""The AWS SDK for JavaScript in a Node.js that has waited: there at once, and never in the way of what a function brings."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from functory.kernel import settings
from functory.runtimes.catalog import Catalog
from tests.integration.standby.conftest import Pair
from tests.support.running_node import package

pytestmark = [
    pytest.mark.root,
    pytest.mark.parametrize("runtime", [f"nodejs{major}.x" for major in (18, 20, 22, 24)], indirect=True, scope="module"),
]
WAITED = "require('fs').readFileSync('/proc/self/mountinfo', 'utf8').includes('/late/sb-')"
CLIENT = "@aws-sdk/client-s3"


@pytest.fixture(scope="module", autouse=True)
def sdk(runtime: str) -> None:
    ready = asyncio.run(Catalog(settings.load().runtimes).resolve(runtime))
    if not (ready.mounts[1].source / "node_modules").is_dir():
        pytest.skip(f"the AWS SDK is not installed: functory runtimes install {runtime}")


def own(place: str, name: str = CLIENT) -> dict[str, str]:
    """Files of a package that says where it is from."""
    folder = f"{place}node_modules/{name}"
    manifest = json.dumps({"name": name, "version": "0.0.1", "main": "index.js"})
    return {f"{folder}/package.json": manifest, f"{folder}/index.js": f"exports.from = '{place}own';"}


def seen(pair: Pair, runtime: str, code: str, more: dict[str, str] | None = None, **config: Any) -> list[Any]:
    """What ``result`` of ``code`` is with a standby, which must have been there, and without."""
    files = {"app.js": f"{code}\nexports.handler = async () => [{WAITED}, await result]", **(more or {})}
    first, second = (function.invoke().json for function in pair.deploy(files, runtime, MemorySize=256, **config))
    assert (first[0], second[0]) == (True, False), (first, second)
    return [first[1], second[1]]


def test_the_runtimes_client_is_what_it_is_without(pair: Pair, runtime: str) -> None:
    code = f"""
const s3 = require('{CLIENT}'), dynamodb = require('@aws-sdk/client-dynamodb'), sqs = require('@aws-sdk/client-sqs');
const file = require.resolve('{CLIENT}');
const cached = require.cache[file].exports === s3;
delete require.cache[file];
const again = require('{CLIENT}');
const imported = import(file);
const result = imported.then((module) => [file, cached, again === s3, module.S3Client === again.S3Client,
  new dynamodb.DynamoDBClient({{ region: 'us-east-1' }}).config.serviceId, typeof sqs.SQSClient, module.S3Client.name,
  require('module')._resolveFilename.length > 0]);
"""
    first, second = seen(pair, runtime, code)
    file = f"/var/runtime/node_modules/{CLIENT}/dist-cjs/index.js"
    assert second == [file, True, False, True, "DynamoDB", "function", "S3Client", True]
    assert first == second


def test_it_was_loaded_ahead(pair: Pair, runtime: str) -> None:
    code = f"require('{CLIENT}'); const result = require.cache[require.resolve('{CLIENT}')].parent.filename"
    assert seen(pair, runtime, code) == ["/var/runtime/noop.js", "/var/task/app.js"]


def test_an_es_module_and_require_share_it(pair: Pair, runtime: str) -> None:
    code = f"""
import {{ S3Client, ListBucketsCommand }} from '{CLIENT}';
import {{ DynamoDBDocumentClient }} from '@aws-sdk/lib-dynamodb';
import {{ createRequire }} from 'node:module';
import {{ readFileSync }} from 'node:fs';
const require = createRequire(import.meta.url);
const waited = readFileSync('/proc/self/mountinfo', 'utf8').includes('/late/sb-');
const client = new S3Client({{ region: 'us-east-1' }});
const required = require('{CLIENT}');
const isOne = required.S3Client === S3Client && new ListBucketsCommand({{}}) instanceof required.$Command;
export const handler = async () => [waited, [isOne, typeof DynamoDBDocumentClient.from, typeof client.send]];
"""
    first, second = (function.invoke().json for function in pair.deploy({"app.mjs": code}, runtime, MemorySize=256))
    assert first == [True, [True, "function", "function"]]
    assert second == [False, [True, "function", "function"]]


def test_nothing_of_it_shows_before_it_is_asked_for(pair: Pair, runtime: str) -> None:
    code = """
const files = Object.keys(require.cache).filter((file) => file.includes('node_modules'));
const result = [files, typeof awslambda.InvokeStore];
"""
    first, second = seen(pair, runtime, code)
    assert first == second
    assert first[0] == []


def test_a_client_of_the_functions_own_wins(pair: Pair, runtime: str) -> None:
    code = f"const result = [require('{CLIENT}').from, typeof require('@aws-sdk/client-dynamodb').DynamoDBClient]"
    assert seen(pair, runtime, code, own("")) == [["own", "function"], ["own", "function"]]


def test_a_client_of_a_layer_wins(pair: Pair, runtime: str) -> None:
    code = f"const result = [require('{CLIENT}').from, require.resolve('{CLIENT}')]"
    for node in (pair.with_standby, pair.without):
        content = {"ZipFile": package(own("nodejs/"))}
        arn = node.lambda_.publish_layer_version(LayerName=f"sdk-{runtime[:8]}", Content=content)["LayerVersionArn"]
        files = {"app.js": f"{code}\nexports.handler = async () => [{WAITED}, result]"}
        function = node.deploy(files, runtime, MemorySize=256, Layers=[arn])
        if node is pair.with_standby:
            pair.wait(runtime)
        expected = [node is pair.with_standby, ["nodejs/own", f"/opt/nodejs/node_modules/{CLIENT}/index.js"]]
        assert function.invoke().json == expected


def test_variables_that_the_sdk_reads_while_loading_are_the_functions(pair: Pair, runtime: str) -> None:
    code = f"""
require('{CLIENT}');
const result = ['awslambda' in globalThis, typeof globalThis.awslambda?.InvokeStore];
"""
    variables = {"AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA": "true"}
    first, second = seen(pair, runtime, code, Environment={"Variables": variables})
    assert first == second


def test_a_client_calls_the_node(pair: Pair, runtime: str) -> None:
    code = """
const { LambdaClient, GetAccountSettingsCommand } = require('@aws-sdk/client-lambda');
const client = new LambdaClient({});
const result = new Promise((done) => setImmediate(done)).then(() => client.send(new GetAccountSettingsCommand({})))
  .then((answer) => answer.AccountLimit.ConcurrentExecutions > 0);
"""
    assert seen(pair, runtime, code) == [True, True]
