"""The AWS SDK for JavaScript that the Node.js runtimes bring, and where modules are looked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from functory.runtimes.javascript_sdk import LOCKS
from functory.runtimes.port import ReadyRuntime
from tests.integration.runtimes.test_nodejs import write
from tests.support.runtime_api import RuntimeApi, running

every_node = pytest.mark.parametrize("ready", [f"nodejs{major}.x" for major in (18, 20, 22, 24, 26)], indirect=True)
OWN = "exports.from = '{}';"


@pytest.fixture
def answer(tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime) -> Callable[..., Any]:
    """What a handler answers whose module is ``code``, with the runtime's own SDK."""
    if not (ready.mounts[1].source / "node_modules").is_dir():
        pytest.skip(f"the AWS SDK is not installed: functory runtimes install {ready.id}")

    def run(code: str, file: str = "app.js") -> Any:
        write(tmp_path, f"task/{file}", code)
        with running(ready, api, tmp_path, "app.handler"):
            api.send({})
            return api.post().json

    return run


def bring(folder: Path, place: str, package: str) -> None:
    """A package of that name below ``place`` that says where it is from."""
    write(folder, f"{place}/node_modules/{package}/package.json", json.dumps({"name": package, "version": "0.0.1"}))
    write(folder, f"{place}/node_modules/{package}/index.js", OWN.replace("{}", place))


@every_node
def test_every_package_of_the_lock_can_be_required_and_imported(answer: Any, ready: ReadyRuntime) -> None:
    lock = "sdk18" if ready.id == "nodejs18.x" else "sdk20"
    names = list(json.loads((LOCKS / lock / "package.json").read_text())["dependencies"])
    code = f"""
const names = {json.dumps(names)};
exports.handler = async () => Promise.all(names.map(async (name) => {{
  const file = require.resolve(name), required = require(name), imported = await import(file);
  return [name, file.includes('/node_modules/@aws-sdk/'), Object.keys(required).every((key) => key in imported)];
}}));
"""
    assert answer(code) == [[name, True, True] for name in names]


@every_node
def test_an_es_module_imports_the_sdk_by_name(answer: Any) -> None:
    code = """
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { Upload } from '@aws-sdk/lib-storage';
const document = DynamoDBDocumentClient.from(new DynamoDBClient({ region: 'us-east-1' }));
const { S3Client } = await import('@aws-sdk/client-s3');
export const handler = async () => [typeof document.send, typeof Upload, typeof S3Client];
"""
    assert answer(code, "app.mjs") == ["function", "function", "function"]


@every_node
def test_a_copy_in_a_layer_wins_over_the_runtimes(answer: Any, tmp_path: Path) -> None:
    bring(tmp_path, "opt/nodejs", "@aws-sdk/client-s3")
    assert answer("exports.handler = async () => require('@aws-sdk/client-s3').from") == "opt/nodejs"


@every_node
def test_a_copy_of_the_functions_wins_over_layer_and_runtime(answer: Any, tmp_path: Path) -> None:
    bring(tmp_path, "opt/nodejs", "@aws-sdk/client-s3")
    bring(tmp_path, "task", "@aws-sdk/client-s3")
    code = "const s3 = require('@aws-sdk/client-s3'), { DynamoDBClient } = require('@aws-sdk/client-dynamodb');\n"
    assert answer(code + "exports.handler = async () => [s3.from, typeof DynamoDBClient]") == ["task", "function"]


@every_node
def test_an_es_module_looks_into_function_layer_and_runtime_in_this_order(answer: Any, tmp_path: Path) -> None:
    bring(tmp_path, "task", "@aws-sdk/client-s3")
    for name in ("@aws-sdk/client-s3", "@aws-sdk/client-sqs", "only"):
        bring(tmp_path, "opt/nodejs", name)
    code = """
import s3 from '@aws-sdk/client-s3';
import sqs from '@aws-sdk/client-sqs';
import only from 'only';
import { SNSClient } from '@aws-sdk/client-sns';
export const handler = async () => [s3.from, sqs.from, only.from, typeof SNSClient];
"""
    assert answer(code, "app.mjs") == ["task", "opt/nodejs", "opt/nodejs", "function"]


@every_node
def test_a_package_that_is_nowhere_is_missed_as_ever(answer: Any) -> None:
    body = answer("import 'nowhere-at-all'; export const handler = async () => 1", "app.mjs")
    assert "Cannot find package 'nowhere-at-all'" in body["errorMessage"]
