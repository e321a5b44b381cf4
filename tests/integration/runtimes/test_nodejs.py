from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from functory.runtimes.port import ReadyRuntime
from tests.support.runtime_api import RuntimeApi, running

every_node = pytest.mark.parametrize("ready", [f"nodejs{major}.x" for major in (18, 20, 22, 24, 26)], indirect=True)
with_callbacks = pytest.mark.parametrize("ready", [f"nodejs{major}.x" for major in (18, 20, 22)], indirect=True)
without_callbacks = pytest.mark.parametrize("ready", [f"nodejs{major}.x" for major in (24, 26)], indirect=True)


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.fixture
def call(tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime) -> Any:
    """Run one event through ``code`` and return what was posted."""

    def run(code: str, event: Any = None, *, file: str = "app.js", handler: str = "app.handler", **env: str) -> Any:
        write(tmp_path, f"task/{file}", code)
        with running(ready, api, tmp_path, handler, env=env):
            api.send(event if event is not None else {})
            return api.post()

    return run


@every_node
def test_the_version_asked_for_answers_and_its_environment_is_lambdas(call: Any, ready: ReadyRuntime) -> None:
    code = """
exports.handler = async (event) => ({ event, version: process.versions.node, env: process.env, argv: process.execArgv });
"""
    answer = call(code, {"a": [1, "ü"]})

    assert answer.kind == "response"
    assert answer.json["event"] == {"a": [1, "ü"]}
    assert answer.json["version"] == ready.version
    assert answer.json["env"]["AWS_EXECUTION_ENV"] == f"AWS_Lambda_{ready.id}"
    assert answer.json["env"]["SHLVL"] == "0"
    assert answer.json["env"]["NODE_PATH"].startswith(f"{answer.json['env']['LAMBDA_TASK_ROOT'][:-4]}opt/nodejs/node")
    assert "--max-old-space-size=231" in answer.json["argv"]
    assert not [name for name in answer.json["env"] if "FUNCTORY" in name]


@every_node
@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("app.js", "exports.handler = async () => 'ok'"),
        ("app.cjs", "exports.handler = async () => 'ok'"),
        ("app.mjs", "export const handler = async () => 'ok'"),
        ("app.mjs", "const ok = await Promise.resolve('ok'); export const handler = async () => ok"),
        ("app.js", "module.exports = { handler: () => Promise.resolve('ok') }"),
    ],
    ids=["commonjs", "cjs", "mjs", "top-level await", "promise"],
)
def test_modules_of_every_kind_are_loaded(call: Any, file: str, code: str) -> None:
    assert call(code, file=file).json == "ok"


@every_node
def test_type_module_makes_js_files_es_modules(tmp_path: Path, call: Any) -> None:
    write(tmp_path, "task/package.json", '{"type": "module"}')
    assert call("export const handler = async () => import.meta.url", file="lib/app.js", handler="lib/app.handler").json


@every_node
def test_nested_exports_and_folders_are_found(call: Any) -> None:
    code = "exports.outer = { inner: async () => 'nested' }"
    assert call(code, file="lib/deep/app.js", handler="lib/deep/app.outer.inner").json == "nested"


@every_node
def test_layers_are_on_the_module_path(tmp_path: Path, call: Any) -> None:
    write(tmp_path, "opt/nodejs/node_modules/layered/index.js", "module.exports = 'layer'")
    assert call("const layered = require('layered'); exports.handler = async () => layered").json == "layer"


@every_node
def test_the_context_has_every_field(tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime) -> None:
    code = """
exports.handler = async (event, context) => {
  const { getRemainingTimeInMillis, ...fields } = context;
  return { remaining: context.getRemainingTimeInMillis(), fields, trace: process.env._X_AMZN_TRACE_ID };
};
"""
    write(tmp_path, "task/app.js", code)
    with running(ready, api, tmp_path, "app.handler"):
        api.send(
            {},
            timeout_s=30,
            client_context=json.dumps({"custom": {"k": "v"}}),
            cognito_identity=json.dumps({"cognitoIdentityId": "1"}),
            trace_id="Root=1",
            aws_tenant_id="tenant",
        )
        first = api.post().json
        api.send({}, "request-2", timeout_s=30)
        second = api.post().json

    assert 0 < first["remaining"] <= 30_000
    waits = first["fields"].pop("callbackWaitsForEmptyEventLoop", None)
    assert waits is (True if ready.id < "nodejs24" else None)
    assert first["fields"] == {
        "functionName": "probe",
        "functionVersion": "$LATEST",
        "invokedFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:probe",
        "memoryLimitInMB": "256",
        "awsRequestId": "request-1",
        "logGroupName": "/aws/lambda/probe",
        "logStreamName": "2026/11/23/[$LATEST]0123456789abcdef0123456789abcdef",
        "clientContext": {"custom": {"k": "v"}},
        "identity": {"cognitoIdentityId": "1"},
        "tenantId": "tenant",
    }
    assert first["trace"] == "Root=1"
    assert "trace" not in second
    assert second["fields"]["awsRequestId"] == "request-2"


@every_node
def test_an_error_is_reported_and_the_environment_lives_on(tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime) -> None:
    code = """
class Refused extends Error { constructor(m) { super(m); this.name = 'Refused'; } }
exports.handler = async ({ fail }) => { if (fail) throw new Refused('no ü'); };
"""
    write(tmp_path, "task/app.js", code)
    with running(ready, api, tmp_path, "app.handler") as process:
        api.send({"fail": True})
        failed = api.post()
        api.send({}, "request-2")
        assert api.post().body == b"null"
        process.popen.terminate()
        output = process.output()

    assert failed.kind == "error"
    assert failed.json["errorType"] == failed.headers["Lambda-Runtime-Function-Error-Type"] == "Refused"
    assert failed.json["errorMessage"] == "no ü"
    assert failed.json["trace"][0] == "Refused: no ü"
    cause = json.loads(failed.headers["Lambda-Runtime-Function-Xray-Error-Cause"])
    assert cause["exceptions"][0]["type"] == "Refused"
    assert cause["exceptions"][0]["stack"][0]["path"] == f"{tmp_path}/task/app.js"
    assert '\trequest-1\tERROR\tInvoke Error \t{"errorType":"Refused","errorMessage":"no ü"' in output


@every_node
@pytest.mark.parametrize(
    ("thrown", "body"),
    [
        ("'text'", {"errorType": "string", "errorMessage": "text", "trace": []}),
        ("42", {"errorType": "number", "errorMessage": "42", "trace": []}),
    ],
    ids=["string", "number"],
)
def test_thrown_values_that_are_no_errors_are_reported(call: Any, thrown: str, body: dict[str, Any]) -> None:
    assert call(f"exports.handler = async () => {{ throw {thrown}; }}").json == body


@every_node
@pytest.mark.parametrize(
    "value", ["{ n: 1n }", "(() => { const a = {}; a.a = a; return a; })()"], ids=["bigint", "circular"]
)
def test_a_result_that_is_no_json_is_an_error(call: Any, ready: ReadyRuntime, value: str) -> None:
    failed = call(f"exports.handler = async () => ({value})")

    assert failed.kind == "error"
    assert failed.json["errorMessage"] == "Unable to stringify response body"
    assert failed.json["errorType"] == ("Error" if ready.id < "nodejs24" else "Runtime.JSONStringifyError")


@every_node
@pytest.mark.parametrize(
    ("code", "handler", "error_type", "message"),
    [
        ("require('nowhere')", "app.handler", "Runtime.ImportModuleError", "Error: Cannot find module 'nowhere'"),
        ("exports.x = 1", "app.handler", "Runtime.HandlerNotFound", "app.handler is undefined or not exported"),
        ("exports.handler = 1", "app.handler", "Runtime.HandlerNotFound", "app.handler is not a function"),
        ("exports.handler = (", "app.handler", "Runtime.UserCodeSyntaxError", "SyntaxError: "),
        ("exports.x = 1", "app", "Runtime.MalformedHandlerName", "Bad handler"),
        ("exports.x = 1", "../app.handler", "Runtime.MalformedHandlerName", "'../app.handler' is not a valid handler name."),
        ("exports.x = 1", "nowhere.handler", "Runtime.ImportModuleError", "Error: Cannot find module 'nowhere'"),
        ("throw new TypeError('at load')", "app.handler", "TypeError", "at load"),
        ("Promise.reject(new Error('lost')); exports.handler = null", "app.handler", None, None),
    ],
    ids=["import", "missing", "not a function", "syntax", "malformed", "outside", "no file", "throws", "rejects"],
)
def test_an_init_error_is_reported_and_ends_the_process(
    tmp_path: Path,
    api: RuntimeApi,
    ready: ReadyRuntime,
    code: str,
    handler: str,
    error_type: str | None,
    message: str | None,
) -> None:
    write(tmp_path, "task/app.js", code)
    with running(ready, api, tmp_path, handler) as process:
        failed = api.post()
        output = process.output()

    assert failed.kind == "init/error"
    assert process.popen.returncode != 0
    assert failed.json["errorType"] == failed.headers["Lambda-Runtime-Function-Error-Type"]
    if error_type is not None and message is not None:
        assert failed.json["errorType"] == error_type
        assert failed.json["errorMessage"].startswith(message)
        assert f'"errorType":"{error_type}"' in output


@with_callbacks
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("(e, c, callback) => callback(null, 'called')", "called"),
        ("(e, c, callback) => { setTimeout(() => callback(null, 'later'), 5) }", "later"),
        ("(e, c) => c.succeed('succeeded')", "succeeded"),
        ("(e, c) => c.done(null, 'done')", "done"),
        ("(e, c, callback) => { callback(null, 'first'); callback(null, 'second') }", "first"),
        ("() => 'a value without a promise is not a result'", None),
        (
            "(e, c, callback) => { c.callbackWaitsForEmptyEventLoop = false; setInterval(() => {}, 50); callback(null, 1) }",
            1,
        ),
    ],
)
def test_handlers_may_end_by_callback_until_node_22(call: Any, code: str, expected: Any) -> None:
    answer = call(f"exports.handler = {code}")
    assert answer.kind == "response"
    assert answer.json == expected


@with_callbacks
def test_a_callback_waits_for_an_empty_event_loop(tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime) -> None:
    code = """
exports.handler = (event, context, callback) => {
  setTimeout(() => console.log('ran before the response'), 20);
  callback(null, 'ok');
};
"""
    write(tmp_path, "task/app.js", code)
    with running(ready, api, tmp_path, "app.handler") as process:
        api.send({})
        assert api.post().json == "ok"
        api.send({}, "request-2")
        assert api.post().json == "ok"
        process.popen.terminate()
        assert process.output().count("ran before the response") == 2


@with_callbacks
@pytest.mark.parametrize("code", ["(e, c, cb) => cb(new Error('no'))", "(e, c) => c.fail(new Error('no'))"])
def test_failures_by_callback_are_reported(call: Any, code: str) -> None:
    failed = call(f"exports.handler = {code}")
    assert failed.kind == "error"
    assert failed.json["errorMessage"] == "no"


@without_callbacks
def test_callback_handlers_are_refused_from_node_24(tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime) -> None:
    write(tmp_path, "task/app.js", "exports.handler = (event, context, callback) => callback(null, 1)")
    with running(ready, api, tmp_path, "app.handler"):
        failed = api.post()

    assert failed.kind == "init/error"
    assert failed.json["errorType"] == "Runtime.CallbackHandlerDeprecated"
    assert failed.json["errorMessage"].startswith(
        "ERROR: AWS Lambda has removed support for callback-based function handlers"
    )


@without_callbacks
def test_the_invoke_store_knows_the_invocation_from_node_24(call: Any) -> None:
    code = """
exports.handler = async () => {
  await new Promise((resolve) => setTimeout(resolve, 1));
  return [awslambda.InvokeStore.getRequestId(), awslambda.InvokeStore.hasContext()];
};
"""
    assert call(code).json == ["request-1", True]


@without_callbacks
def test_a_plain_value_is_a_result_from_node_24(call: Any) -> None:
    assert call("exports.handler = () => 'plain'").json == "plain"


@every_node
def test_a_promise_that_never_settles_is_an_error(tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime) -> None:
    write(tmp_path, "task/app.js", "exports.handler = async ({ hang }) => hang ? new Promise(() => {}) : 'ok'")
    with running(ready, api, tmp_path, "app.handler"):
        api.send({"hang": True})
        failed = api.post()
        api.send({}, "request-2")
        assert api.post().json == "ok"

    assert failed.json["errorType"] == "Runtime.NodeJsExit"


@every_node
@pytest.mark.parametrize(
    ("code", "error_type", "status"),
    [
        ("Promise.reject(new Error('lost'))", "Runtime.UnhandledPromiseRejection", 128),
        ("setTimeout(() => { throw new RangeError('lost') }, 1)", "RangeError", 129),
    ],
    ids=["rejection", "exception"],
)
def test_what_nobody_catches_is_reported_and_ends_the_process(
    tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime, code: str, error_type: str, status: int
) -> None:
    write(tmp_path, "task/app.js", f"exports.handler = () => new Promise(() => {{ {code}; setTimeout(() => {{}}, 5000) }})")
    with running(ready, api, tmp_path, "app.handler") as process:
        api.send({})
        failed = api.post()
        process.output()

    assert failed.kind == "error"
    assert failed.request_id == "request-1"
    assert failed.json["errorType"] == error_type
    assert "lost" in failed.json["errorMessage"]
    assert process.popen.returncode == status


@every_node
def test_process_exit_ends_the_process_without_a_report(tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime) -> None:
    write(tmp_path, "task/app.js", "exports.handler = async () => process.exit(7)")
    with running(ready, api, tmp_path, "app.handler") as process:
        api.send({})
        process.output()

    assert process.popen.returncode == 7
    assert api.posts.empty()


@every_node
def test_text_logs_carry_time_request_and_level(tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime) -> None:
    code = """
console.log('at init');
exports.handler = async () => { console.warn('a %s\\nb', 'x', { k: 1 }); console.trace('t'); console.debug('d'); };
"""
    write(tmp_path, "task/app.js", code)
    with running(ready, api, tmp_path, "app.handler") as process:
        api.send({})
        api.post()
        process.popen.terminate()
        lines = process.output().splitlines(keepends=True)

    text = "".join(lines)
    assert f"Z\t{'undefined' if ready.id < 'nodejs24' else '-'}\tINFO\tat init\n" in text
    assert "Z\trequest-1\tWARN\ta x\rb { k: 1 }\n" in text
    assert "Z\trequest-1\tTRACE\tt\n" in text
    assert "Z\trequest-1\tDEBUG\td\n" in text


@every_node
def test_framed_logs_keep_line_feeds(tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime) -> None:
    write(
        tmp_path, "task/app.js", "exports.handler = async () => { console.error('a\\nbü'); process.stdout.write('raw\\n') }"
    )
    with running(ready, api, tmp_path, "app.handler", framed=True) as process:
        api.send({})
        api.post()
        process.popen.terminate()
        frames = process.frames()
        output = process.output()

    assert [frame.type for frame in frames] == [0xA55A0017]
    assert frames[0].text.endswith("\trequest-1\tERROR\ta\nbü\n")
    assert output == "raw\n"


@every_node
def test_json_logs_filter_by_level_and_spread_errors(tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime) -> None:
    code = """
exports.handler = async () => {
  console.info('quiet');
  console.warn({ key: 'value' });
  console.error('failed', new TypeError('why'));
  console.fatal('worst');
};
"""
    write(tmp_path, "task/app.js", code)
    env = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "WARN"}
    with running(ready, api, tmp_path, "app.handler", env=env, framed=True) as process:
        api.send({}, aws_tenant_id="tenant")
        api.post()
        process.popen.terminate()
        frames = process.frames()

    records = [json.loads(frame.text) for frame in frames]
    assert [frame.type for frame in frames] == [0xA55A0012, 0xA55A0016, 0xA55A001A]
    assert [record["level"] for record in records] == ["WARN", "ERROR", "FATAL"]
    assert records[0]["message"] == {"key": "value"}
    assert records[0]["requestId"] == "request-1"
    assert records[0]["tenantId"] == "tenant"
    assert records[1]["errorType"] == "TypeError"
    assert records[1]["errorMessage"] == "why"
    assert records[1]["stackTrace"][0] == "TypeError: why"


@every_node
def test_a_streamed_response_arrives_in_pieces(call: Any) -> None:
    code = """
exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {
  stream.setContentType('text/plain');
  stream.write('one ');
  stream.write({ two: 2 });
  stream.end();
});
"""
    answer = call(code)

    assert answer.kind == "response"
    assert answer.headers["Lambda-Runtime-Function-Response-Mode"] == "streaming"
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.body == b'one {"two":2}'
    assert answer.trailers == {}


@every_node
def test_http_metadata_precedes_a_streamed_body(tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime) -> None:
    code = """
const { pipeline } = require('node:stream/promises');
const { Readable } = require('node:stream');
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { a: 'b' } });
  if (event.empty) stream.end();
  else await pipeline(Readable.from(['x'.repeat(100000), 'y']), stream);
});
"""
    write(tmp_path, "task/app.js", code)
    with running(ready, api, tmp_path, "app.handler"):
        api.send({})
        full = api.post()
        api.send({"empty": True}, "request-2")
        empty = api.post()

    prelude = b'{"statusCode":201,"headers":{"a":"b"}}' + bytes(8)
    assert full.headers["Content-Type"] == "application/vnd.awslambda.http-integration-response"
    assert full.body == prelude + b"x" * 100_000 + b"y"
    assert empty.body == prelude
    assert empty.request_id == "request-2"


@every_node
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("stream.write('part'); throw new RangeError('broken')", "broken"),
        (
            "stream.write('part'); setTimeout(() => { throw new RangeError('broken') }, 1); await new Promise(() => {})",
            "broken",
        ),
    ],
    ids=["throws", "uncaught"],
)
def test_a_failure_in_mid_stream_travels_in_trailers(call: Any, code: str, message: str) -> None:
    answer = call(f"exports.handler = awslambda.streamifyResponse(async (event, stream) => {{ {code} }})")

    assert answer.body == b"part"
    assert answer.trailers["Lambda-Runtime-Function-Error-Type"] == "RangeError"
    body = json.loads(base64.b64decode(answer.trailers["Lambda-Runtime-Function-Error-Body"]))
    assert body["errorMessage"] == message


@every_node
def test_responses_of_six_megabytes_pass(call: Any) -> None:
    assert len(call("exports.handler = async () => 'x'.repeat(6 * 1024 * 1024)").body) == 6 * 1024 * 1024 + 2


@every_node
def test_node_options_are_honoured(tmp_path: Path, call: Any) -> None:
    write(tmp_path, "task/first.cjs", "globalThis.first = 'loaded first'")
    options = f"--require {tmp_path}/task/first.cjs --max-old-space-size=100"
    answer = call("exports.handler = async () => [first, process.execArgv.join(' ')]", NODE_OPTIONS=options)

    assert answer.json[0] == "loaded first"
    assert "--max-old-space-size" not in answer.json[1]


@pytest.mark.parametrize("ready", ["nodejs22.x"], indirect=True)
def test_requiring_es_modules_is_off_in_node_22_unless_asked_for(tmp_path: Path, call: Any) -> None:
    write(tmp_path, "task/other.mjs", "export default 1")
    code = "exports.handler = async () => { try { require('./other.mjs'); return 'on' } catch (e) { return e.code } }"

    assert call(code).json == "ERR_REQUIRE_ESM"
    assert call(code, NODE_OPTIONS="--experimental-require-module").json == "on"


@every_node
def test_an_oversized_response_refused_by_the_platform_does_not_end_the_environment(
    tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime
) -> None:
    write(tmp_path, "task/app.js", "exports.handler = async () => 'x'")
    api.status = 413
    with running(ready, api, tmp_path, "app.handler"):
        api.send({})
        api.post()
        api.send({}, "request-2")
        assert api.post().request_id == "request-2"


@pytest.mark.parametrize("ready", ["nodejs20.x"], indirect=True)
def test_a_failing_runtime_api_ends_the_process(tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime) -> None:
    write(tmp_path, "task/app.js", "exports.handler = async () => 'x'")
    api.status = 500
    with running(ready, api, tmp_path, "app.handler") as process:
        api.send({})
        process.output()

    assert process.popen.returncode == 129
