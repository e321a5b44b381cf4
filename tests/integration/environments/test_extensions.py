"""Real extensions beside a real function: started, served, asked to end, and missed when they crash."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from functory.sandbox.port import Mount
from tests.support.real_engine import RealEngine, real_engine
from tests.support.sandboxes import oci_driver, process_driver, started

Work = Callable[[RealEngine], Awaitable[None]]

EXTENSION = """#!/usr/bin/python3 -u
import json, os, sys, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2020-01-01/extension/"
name = os.path.basename(sys.argv[0])

def ask(path, headers, body=None):
    request = urllib.request.Request(api + path, body, headers)
    with urllib.request.urlopen(request) as answer:
        return answer.headers, json.load(answer)

hello = {"Lambda-Extension-Name": name, "Lambda-Extension-Accept-Feature": "accountId"}
headers, about = ask("register", hello, b'{"events": ["INVOKE", "SHUTDOWN"]}')
print("registered", json.dumps(about, sort_keys=True), "_HANDLER" in os.environ, os.environ["AWS_REGION"])
me = {"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"]}
while True:
    _, event = ask("event/next", me)
    print("event", event["eventType"], event.get("requestId"), event.get("shutdownReason"))
    if event["eventType"] == "SHUTDOWN":
        break
    if os.environ.get("EXTENSION_CRASHES"):
        sys.exit(2)
"""

LISTENER = """#!/usr/bin/python3 -u
import http.server, json, os, sys, threading, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"]

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        for event in json.loads(self.rfile.read(int(self.headers["Content-Length"]))):
            sys.stderr.write("told " + event["type"] + " " + json.dumps(event["record"]) + chr(10))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()

def ask(method, path, headers, body=None):
    with urllib.request.urlopen(urllib.request.Request(api + path, body, headers, method=method)) as answer:
        return answer.headers, json.load(answer)

headers, _ = ask("POST", "/2020-01-01/extension/register", {"Lambda-Extension-Name": os.path.basename(sys.argv[0])},
                 b'{"events": ["INVOKE", "SHUTDOWN"]}')
me = {"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"]}
wanted = {
    "schemaVersion": "2022-12-13", "types": ["platform", "function"], "buffering": {"timeoutMs": 25},
    "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:%d/events" % server.server_port},
}
print("subscribed", ask("PUT", "/2022-07-01/telemetry", me, json.dumps(wanted).encode())[1])
while ask("GET", "/2020-01-01/extension/event/next", me)[1]["eventType"] != "SHUTDOWN":
    pass
import time
time.sleep(0.3)
"""

INTERNAL = """
import os, signal, sys, time, urllib.request, json, threading, http.client
api = os.environ["AWS_LAMBDA_RUNTIME_API"]
BODY = b'{"events": ["INVOKE"]}'

def work():
    connection = http.client.HTTPConnection(api)
    connection.request("POST", "/2020-01-01/extension/register", BODY, {"Lambda-Extension-Name": "inner"})
    answer = connection.getresponse(); answer.read()
    me = answer.headers["Lambda-Extension-Identifier"]
    registered.set()
    while True:
        connection.request("GET", "/2020-01-01/extension/event/next", headers={"Lambda-Extension-Identifier": me})
        print("inner got", json.load(connection.getresponse())["eventType"], flush=True)

def asked(*_):
    print("asked to end", flush=True)
    sys.exit(0)

signal.signal(signal.SIGTERM, asked)
registered = threading.Event()
threading.Thread(target=work, daemon=True).start()
registered.wait(5)

def handler(event, context):
    if event == "sleep":
        time.sleep(60)
    return event
"""


ECHO = "def handler(event, context):\n    return event\n"
SLOW = "import time\ndef handler(event, context):\n    time.sleep(20)\n"


@pytest.fixture(params=[pytest.param("oci", marks=pytest.mark.root), "process"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., None]:
    """Runs a test's coroutine with an engine that has these extensions."""

    def work_with(work: Work, **extensions: str) -> None:
        opt, code = tmp_path / "opt", tmp_path / "code"
        (opt / "extensions").mkdir(parents=True)
        code.mkdir()
        for name, text in extensions.items():
            (opt / "extensions" / name).write_text(text)
            (opt / "extensions" / name).chmod(0o755)
        driver = oci_driver(tmp_path / "run") if request.param == "oci" else process_driver(tmp_path / "run")

        async def main() -> None:
            async with started(driver), real_engine(driver, code, Mount(opt, "/opt")) as engine:
                await work(engine)

        asyncio.run(main())

    return work_with


def test_an_external_extension_lives_beside_the_function(run: Callable[..., None]) -> None:
    async def work(engine: RealEngine) -> None:
        function = engine.function("watched", ECHO)
        assert [(await engine.call(function, b"%d" % number)).payload for number in range(3)] == [b"0", b"1", b"2"]
        engine.environments.remove("000000000000", "us-east-1", "watched", None)
        log = await engine.logged("event SHUTDOWN")
        about = {
            "accountId": "000000000000",
            "functionName": "watched",
            "functionVersion": "$LATEST",
            "handler": "app.handler",
        }
        assert log[0].startswith("INIT_START")
        assert log[1] == f"registered {json.dumps(about)} False us-east-1"
        assert log[2] == "EXTENSION\tName: watcher\tState: Ready\tEvents: [INVOKE, SHUTDOWN]"
        starts = [line.split()[2] for line in log if line.startswith("START")]
        assert [line for line in log if line.startswith("event INVOKE")] == [f"event INVOKE {each} None" for each in starts]
        assert log[-1] == "event SHUTDOWN None spindown"

    run(work, watcher=EXTENSION)


def test_an_internal_extension_gets_invokes_and_its_runtime_a_sigterm(run: Callable[..., None]) -> None:
    async def work(engine: RealEngine) -> None:
        function = engine.function("inside", INTERNAL)
        assert (await engine.call(function, b"1")).payload == b"1"
        engine.environments.remove("000000000000", "us-east-1", "inside", None)
        log = await engine.logged("event SHUTDOWN")
        assert "EXTENSION\tName: inner\tState: Ready\tEvents: [INVOKE]" in log
        assert "inner got INVOKE" in log
        assert log.index("asked to end") < log.index("event SHUTDOWN None spindown")

    run(work, watcher=EXTENSION)


def test_internal_extensions_alone_give_the_runtime_time_to_end(run: Callable[..., None]) -> None:
    async def work(engine: RealEngine) -> None:
        function = engine.function("alone", INTERNAL)
        assert (await engine.call(function, b"1")).payload == b"1"
        engine.environments.remove("000000000000", "us-east-1", "alone", None)
        await engine.logged("asked to end")

    run(work)


def test_a_timeout_is_told_to_extensions_and_the_next_call_works(run: Callable[..., None]) -> None:
    async def work(engine: RealEngine) -> None:
        function = engine.function("late", INTERNAL, timeout_s=1)
        assert (await engine.call(function, b'"sleep"')).error_type == "Sandbox.Timedout"
        assert (await engine.call(function, b"5")).payload == b"5"
        assert "event SHUTDOWN None timeout" in await engine.logged("event SHUTDOWN")

    run(work, watcher=EXTENSION)


def test_a_crash_of_the_runtime_is_told_to_extensions(run: Callable[..., None]) -> None:
    async def work(engine: RealEngine) -> None:
        function = engine.function("dies", "import os\ndef handler(event, context):\n    os._exit(3)\n")
        outcome = await engine.call(function)
        assert outcome.error_type == "Runtime.ExitError"
        assert b"Runtime exited with error: exit status 3" in outcome.payload
        assert "event SHUTDOWN None failure" in await engine.logged("event SHUTDOWN")

    run(work, watcher=EXTENSION)


def test_the_crash_of_an_extension_fails_the_invocation(run: Callable[..., None]) -> None:
    async def work(engine: RealEngine) -> None:
        function = engine.function("crash", SLOW, timeout_s=30, environment={"EXTENSION_CRASHES": "1"})
        outcome = await engine.call(function)
        document = json.loads(outcome.payload)
        assert document["errorType"] == "Extension.Crash"
        assert document["errorMessage"] == f"RequestId: {outcome.request_id} Error: exit status 2"
        assert "Extension.Crash" in await engine.logged("REPORT")

    run(work, watcher=EXTENSION)


def test_an_extension_that_cannot_start_fails_the_init(run: Callable[..., None]) -> None:
    async def work(engine: RealEngine) -> None:
        outcome = await engine.call(engine.function("broken", ECHO))
        assert outcome.error_type == "Extension.Crash"
        assert b"exit status 1" in outcome.payload
        assert "EXTENSION\tName: broken\tState: Exited\tEvents: []\tError Type: Extension.Crash" in engine.lines

    run(work, broken="#!/bin/sh\nexit 1\n")


def test_the_end_of_the_engine_tells_extensions(run: Callable[..., None]) -> None:
    engines = []

    async def work(engine: RealEngine) -> None:
        await engine.call(engine.function("last", ECHO), tail=True)
        engines.append(engine)

    run(work, watcher=EXTENSION)
    assert "event SHUTDOWN None spindown" in engines[0].lines


def test_the_answer_does_not_wait_for_a_slow_extension(run: Callable[..., None]) -> None:
    slow = EXTENSION.replace('    if os.environ.get("EXT', '    import time; time.sleep(2)\n    if os.environ.get("EXT')

    async def work(engine: RealEngine) -> None:
        function = engine.function("quick", ECHO)
        await engine.call(function)
        assert not any(line.startswith("REPORT") for line in engine.lines), "the invocation is not over"
        await engine.logged("REPORT")

    run(work, watcher=slow)


def test_telemetry_is_delivered_into_the_sandbox(run: Callable[..., None]) -> None:
    async def work(engine: RealEngine) -> None:
        function = engine.function("told", "def handler(event, context):\n    print('hello')\n    return 12\n")
        await engine.call(function)
        engine.environments.remove("000000000000", "us-east-1", "told", None)
        log = await engine.logged("told platform.report")
        assert "subscribed OK" in log
        assert "TELEMETRY\tName: listener\tState: Subscribed\tTypes: [Platform, Function]" in log
        told = [line.split(" ", 2)[1:] for line in log if line.startswith("told ")]
        assert [kind for kind, _ in told] == [
            "platform.initStart",
            "platform.telemetrySubscription",
            "platform.extension",
            "platform.initRuntimeDone",
            "platform.initReport",
            "platform.start",
            "function",
            "platform.runtimeDone",
            "platform.report",
        ]
        assert json.loads(told[6][1]) == "hello\n"
        assert json.loads(told[7][1])["metrics"]["producedBytes"] == 2

    run(work, listener=LISTENER)
