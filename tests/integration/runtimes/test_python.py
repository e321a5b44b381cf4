from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from functory.runtimes.port import ReadyRuntime
from tests.support.runtime_api import RuntimeApi, running

VERSIONS = ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15"]
every_python = pytest.mark.parametrize("ready", [f"python{version}" for version in VERSIONS], indirect=True)
one_python = pytest.mark.parametrize("ready", ["python3.12"], indirect=True)


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.fixture
def call(tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime) -> Any:
    """Run one event through ``code`` and return what was posted."""

    def run(code: str, event: Any = None, **env: str) -> Any:
        write(tmp_path, "task/app.py", code)
        with running(ready, api, tmp_path, "app.handler", env=env):
            api.send(event if event is not None else {})
            return api.post()

    return run


@every_python
def test_the_version_asked_for_answers_and_its_environment_is_lambdas(call: Any, ready: ReadyRuntime) -> None:
    code = """
import os, platform
def handler(event, context):
    return {"event": event, "version": platform.python_version(), "env": dict(os.environ)}
"""
    answer = call(code, {"a": [1, "ü"]})

    assert answer.kind == "response"
    assert answer.request_id == "request-1"
    assert answer.json["event"] == {"a": [1, "ü"]}
    assert answer.json["version"] == ready.version
    env = answer.json["env"]
    assert env["AWS_EXECUTION_ENV"] == f"AWS_Lambda_{ready.id}"
    assert env["PYTHONPATH"] == env["LAMBDA_RUNTIME_DIR"]
    assert env["SHLVL"] == "0"
    assert env["PWD"] == env["LAMBDA_TASK_ROOT"]
    assert not [name for name in env if "FUNCTORY" in name]


@every_python
def test_boto3_comes_with_the_runtime_and_nothing_of_the_hosts_packages_does(call: Any, ready: ReadyRuntime) -> None:
    code = """
import sys, boto3, importlib.util
names = ("pip", "setuptools", "_distutils_hack", "apt", "flask")
def handler(event, context):
    boto3.client("s3", region_name="us-east-1")
    leaked = [name for name in names if importlib.util.find_spec(name)]
    return {"file": boto3.__file__, "version": boto3.__version__, "path": sys.path, "leaked": leaked, "quit": callable(quit)}
"""
    answer = call(code)
    runtime = str(ready.mounts[1].source)

    assert answer.json["file"].startswith(runtime)
    assert answer.json["leaked"] == []
    assert not [part for part in answer.json["path"] if "dist-packages" in part]
    assert answer.json["quit"]


@every_python
def test_what_code_and_layers_bring_wins_over_the_runtime(tmp_path: Path, call: Any, ready: ReadyRuntime) -> None:
    version = ready.id.removeprefix("python")
    write(tmp_path, "opt/python/boto3/__init__.py", "origin = 'layer'")
    write(tmp_path, f"opt/python/lib/python{version}/site-packages/jmespath.py", "origin = 'site-packages of the layer'")
    write(tmp_path, "opt/python/jmespath.py", "origin = 'layer'")
    write(tmp_path, "opt/python/extra.pth", "import sys; sys.from_pth = True\n")
    code = """
import sys, boto3, jmespath
def handler(event, context):
    return [boto3.origin, jmespath.origin, getattr(sys, "from_pth", False)]
"""
    assert call(code).json == ["layer", "site-packages of the layer", True]

    write(tmp_path, "task/boto3/__init__.py", "origin = 'code'")
    assert call(code).json[0] == "code"


@every_python
def test_the_context_has_every_field(tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime) -> None:
    code = """
import os
FIELDS = ("function_name function_version invoked_function_arn memory_limit_in_mb aws_request_id "
          "log_group_name log_stream_name").split()
def handler(event, context):
    fields = {name: getattr(context, name) for name in FIELDS}
    return {**fields, "remaining": context.get_remaining_time_in_millis(), "custom": context.client_context.custom,
            "identity": context.identity.cognito_identity_id, "trace": os.environ.get("_X_AMZN_TRACE_ID")}
"""
    write(tmp_path, "task/app.py", code)
    identity = {"cognitoIdentityId": "us-east-1:1", "cognitoIdentityPoolId": "us-east-1:2"}
    with running(ready, api, tmp_path, "app.handler"):
        api.send(
            {},
            timeout_s=30,
            client_context=json.dumps({"custom": {"k": "v"}}),
            cognito_identity=json.dumps(identity),
            trace_id="Root=1-5759e988-bd862e3fe1be46a994272793",
        )
        first = api.post().json
        api.send({}, "request-2", timeout_s=30, client_context=json.dumps({"custom": None}))
        second = api.post().json

    assert 0 < first.pop("remaining") <= 30_000
    assert first == {
        "function_name": "probe",
        "function_version": "$LATEST",
        "invoked_function_arn": "arn:aws:lambda:us-east-1:000000000000:function:probe",
        "memory_limit_in_mb": "256",
        "aws_request_id": "request-1",
        "log_group_name": "/aws/lambda/probe",
        "log_stream_name": "2026/11/23/[$LATEST]0123456789abcdef0123456789abcdef",
        "custom": {"k": "v"},
        "identity": "us-east-1:1",
        "trace": "Root=1-5759e988-bd862e3fe1be46a994272793",
    }
    assert second["aws_request_id"] == "request-2"
    assert second["trace"] is None


@every_python
def test_an_exception_is_reported_and_the_environment_lives_on(tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime) -> None:
    write(tmp_path, "task/app.py", "def handler(event, context):\n    return 10 / event['by']\n")
    with running(ready, api, tmp_path, "app.handler"):
        api.send({"by": 0})
        failed = api.post()
        api.send({"by": 5}, "request-2")
        assert api.post().json == 2.0

    assert failed.kind == "error"
    assert failed.json["errorType"] == "ZeroDivisionError"
    assert failed.json["errorMessage"] == "division by zero"
    assert failed.json["requestId"] == "request-1"
    line = f'  File "{tmp_path}/task/app.py", line 2, in handler\n'
    assert failed.json["stackTrace"][0].startswith(line)


@every_python
@pytest.mark.parametrize(
    ("code", "handler", "error_type", "message"),
    [
        (
            "import nowhere",
            "app.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'app': No module named 'nowhere'",
        ),
        ("x = 1", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("def handler(:", "app.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app': "),
        ("x = 1", "app", "Runtime.MalformedHandlerName", "Bad handler 'app': "),
        ("raise KeyError('k')", "app.handler", "KeyError", "'k'"),
    ],
    ids=["import", "missing", "syntax", "malformed", "raises"],
)
def test_an_init_error_is_reported_and_ends_the_process(
    tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime, code: str, handler: str, error_type: str, message: str
) -> None:
    write(tmp_path, "task/app.py", code)
    with running(ready, api, tmp_path, handler) as process:
        failed = api.post()
        output = process.output()

    assert failed.kind == "init/error"
    assert failed.json["errorType"] == failed.headers["Lambda-Runtime-Function-Error-Type"] == error_type
    assert failed.json["errorMessage"].startswith(message)
    assert failed.json["requestId"] == ""
    assert process.popen.returncode == 1
    assert f"[ERROR] {error_type}: {message}" in output


@every_python
def test_logging_is_framed_and_printing_is_not(tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime) -> None:
    code = """
import logging
def handler(event, context):
    print("printed")
    logging.warning("first\\nsecond")
    1 / 0
"""
    write(tmp_path, "task/app.py", code)
    with running(ready, api, tmp_path, "app.handler", framed=True) as process:
        api.send({})
        api.post()
        process.popen.terminate()
        frames = process.frames()
        output = process.output()

    logged = [frame for frame in frames if "first" in frame.text]
    assert len(logged) == 1
    assert logged[0].text.startswith("[WARNING]\t")
    assert logged[0].text.endswith("\trequest-1\tfirst\nsecond\n")
    assert frames[-1].type == 0xA55A0017
    assert frames[-1].text.startswith("[ERROR] ZeroDivisionError: division by zero\nTraceback")
    assert output == "printed\n"


@one_python
def test_json_logging_filters_by_level(tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime) -> None:
    code = """
import logging
def handler(event, context):
    logging.info("quiet")
    logging.error("loud")
"""
    write(tmp_path, "task/app.py", code)
    env = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "WARN"}
    with running(ready, api, tmp_path, "app.handler", env=env, framed=True) as process:
        api.send({})
        api.post()
        process.popen.terminate()
        frames = process.frames()

    records = [json.loads(frame.text) for frame in frames]
    assert [(record["level"], record["message"], record["requestId"]) for record in records] == [
        ("ERROR", "loud", "request-1")
    ]
    assert frames[0].type == 0xA55A0016


@one_python
def test_a_pythonpath_of_the_functions_own_takes_the_place_of_the_layers(tmp_path: Path, call: Any) -> None:
    write(tmp_path, "own/mine.py", "origin = 'PYTHONPATH'")
    write(tmp_path, "own/sitecustomize.py", "import sys; sys.customized = True")
    write(tmp_path, "opt/python/layered.py", "")
    code = """
import sys, os, importlib.util, mine
def handler(event, context):
    is_layer_out = importlib.util.find_spec("layered") is None
    return [mine.origin, getattr(sys, "customized", False), is_layer_out, os.environ["PYTHONPATH"]]
"""
    own = str(tmp_path / "own")
    assert call(code, PYTHONPATH=own).json == ["PYTHONPATH", True, True, own]


@one_python
def test_an_exec_wrapper_receives_the_command_with_the_script_last(tmp_path: Path, call: Any) -> None:
    wrapper = write(
        tmp_path,
        "opt/wrapper",
        '#!/bin/bash\nexport WRAPPED="${@: -1}"\nargs=("$@")\nexec "${args[@]:0:$#-1}" -X utf8 "${args[@]: -1}"\n',
    )
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    code = "import os, sys\ndef handler(event, context):\n    return [os.environ['WRAPPED'], sys.flags.utf8_mode]\n"

    wrapped, utf8 = call(code, AWS_LAMBDA_EXEC_WRAPPER="/opt/wrapper").json
    assert wrapped.endswith("/bootstrap.py")
    assert utf8 == 1


@pytest.mark.parametrize("ready", ["python3.12", "nodejs20.x"], indirect=True)
@pytest.mark.parametrize(("make", "status"), [(False, 127), (True, 126)], ids=["missing", "not executable"])
def test_an_exec_wrapper_that_cannot_run_ends_the_process(
    tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime, make: bool, status: int
) -> None:
    if make:
        write(tmp_path, "opt/wrapper", "").chmod(0o644)
    env = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}
    with running(ready, api, tmp_path, "app.handler", env=env) as process:
        output = process.output()

    assert process.popen.returncode == status
    assert output.startswith("/opt/wrapper: ")


@every_python
def test_the_machines_certificates_are_trusted(call: Any) -> None:
    if not Path("/etc/ssl/certs/ca-certificates.crt").exists():
        pytest.skip("this machine keeps no certificates where Debian does")
    code = """
import ssl
def handler(event, context):
    return len(ssl.create_default_context().get_ca_certs())
"""
    assert call(code).json > 0


@every_python
def test_the_pack_is_compiled_ahead(ready: ReadyRuntime) -> None:
    pack = ready.mounts[1].source
    sources = [file for file in pack.rglob("*.py") if file.parent.name != "__pycache__"]
    compiled = {file.stem.partition(".")[0] for file in (pack / "boto3/__pycache__").iterdir()}

    assert len(sources) > 100
    assert {file.stem for file in (pack / "boto3").glob("*.py")} == compiled


@one_python
def test_paths_of_the_functions_own_do_not_break_the_interpreter(call: Any) -> None:
    code = "import os\ndef handler(event, context): return os.environ['LD_LIBRARY_PATH']"
    answer = call(code, LD_LIBRARY_PATH="/opt/own", PYTHONSAFEPATH="1")
    assert answer.json.startswith("/opt/own:")
    assert answer.json.endswith("/lib")


@one_python
def test_termination_ends_the_process(tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime) -> None:
    write(tmp_path, "task/app.py", "def handler(event, context): return 1")
    with running(ready, api, tmp_path, "app.handler") as process:
        api.send({})
        api.post()
        process.popen.terminate()
        try:
            assert process.popen.wait(10) == -15
        except subprocess.TimeoutExpired:
            pytest.fail("SIGTERM was ignored")
