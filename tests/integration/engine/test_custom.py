"""Functions that bring their own program (``provided.*``): shell, Go, C, Rust."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import lambda_variables
from tests.support.running_node import ACCOUNT, Function, Node, package

pytestmark = pytest.mark.root

SHELL = r"""#!/bin/sh
# bash-only syntax on purpose: /bin/sh is bash on Amazon Linux
set -euo pipefail
api="http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime"
declare -A said=()
while true; do
  headers=$(mktemp)
  event=$(curl -sS -LD "$headers" "$api/invocation/next")
  while IFS=': ' read -r name value; do said[${name,,}]=${value%$'\r'}; done < "$headers"
  id=${said[lambda-runtime-aws-request-id]}
  case $event in
    '"variables"') answer=$(env | cut -d= -f1 | sort | tr '\n' ' ') ;;
    '"values"') answer=$(env -0 | base64 -w0) ;;
    '"headers"') answer="${said[lambda-runtime-invoked-function-arn]} ${said[lambda-runtime-deadline-ms]} $(date +%s%3N)" ;;
    '"client"') answer=$(base64 -w0 <<< "${said[lambda-runtime-client-context]}") ;;
    '"place"')
      task=$( (: > /var/task/new) 2>/dev/null || echo refused)
      answer="$PWD $(id -u) $(id -g) $task $(: > /tmp/a && echo ok)" ;;
    '"fail"')
      curl -sS -o /dev/null -H 'Lambda-Runtime-Function-Error-Type: Shell.Said' \
        -d '{"errorType": "Shell.Said", "errorMessage": "no"}' "$api/invocation/$id/error"
      continue ;;
    '"twice"')
      answer=$(curl -sS -w '%{http_code}' "$api/invocation/next" | tr -d '"\n') ;;
    '"wrong"')
      answer=$(curl -sS -w '%{http_code}' -d x "$api/invocation/nobody/response" | tr -d '"\n') ;;
    '"again"')
      curl -sS -o /dev/null -d '"first"' "$api/invocation/$id/response"
      curl -sS -w '%{http_code}\n' -d '"second"' "$api/invocation/$id/response"
      curl -sS -w '%{http_code}\n' -d '{}' "$api/init/error"
      continue ;;
    '"elsewhere"')
      answer=$(curl -sS -o /dev/null -w '%{http_code} ' -X POST "$api/invocation/next"
               curl -sS -o /dev/null -w '%{http_code}' "http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/ping") ;;
    *) curl -sS -o /dev/null -d "$event" "$api/invocation/$id/response"; continue ;;
  esac
  curl -sS -o /dev/null -d "\"$answer\"" "$api/invocation/$id/response"
done
"""


@pytest.fixture(scope="module", params=["provided.al2023", "provided.al2"])
def runtime(request: pytest.FixtureRequest) -> str:
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    return str(request.param)


@pytest.fixture(scope="module")
def shell(node: Node, runtime: str) -> Function:
    return node.deploy({"bootstrap": SHELL}, runtime, MemorySize=256)


def test_a_shell_script_answers(shell: Function) -> None:
    answer = shell.invoke({"a": [1, "ü"]})
    assert (answer.status, answer.error, answer.json) == (200, None, {"a": [1, "ü"]})


def test_a_shell_script_reports_an_error(shell: Function) -> None:
    answer = shell.invoke("fail")
    assert (answer.status, answer.error) == (200, "Unhandled")
    assert answer.payload == b'{"errorType": "Shell.Said", "errorMessage": "no"}'


def test_its_variables_are_lambdas(shell: Function, runtime: str) -> None:
    of_the_shell = {"SHLVL", "PWD", "_", "OLDPWD"}
    assert set(shell.invoke("variables").json.split()) - of_the_shell == lambda_variables.names(runtime)
    text = base64.b64decode(shell.invoke("values").json).decode()
    seen = dict(entry.split("=", 1) for entry in text.rstrip("\0").split("\0"))
    known = lambda_variables.values(runtime, shell.name, seen["AWS_LAMBDA_LOG_STREAM_NAME"])
    assert {name: seen[name] for name in known} == known


def test_its_headers_describe_the_invocation(shell: Function) -> None:
    arn, deadline, now = shell.invoke("headers", qualifier="$LATEST").json.split()
    assert arn == f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{shell.name}:$LATEST"
    assert 15_000 < int(deadline) - int(now) <= 20_000
    said = {"custom": {"a": "b"}}
    encoded = base64.b64encode(json.dumps(said).encode()).decode()
    assert json.loads(base64.b64decode(shell.invoke("client", ClientContext=encoded).json)) == said


def test_its_place_is_lambdas(shell: Function) -> None:
    assert shell.invoke("place").json == "/var/task 993 990 refused ok"


def test_asking_for_an_event_while_one_is_open_is_refused(shell: Function) -> None:
    answer = shell.invoke("twice").json
    assert answer.endswith("403")
    assert "State transition from Running to Ready failed for runtime." in answer
    assert "InvalidStateTransition" in answer


def test_an_answer_to_another_request_is_refused(shell: Function) -> None:
    answer = shell.invoke("wrong").json
    assert "InvalidRequestID" in answer
    assert answer.endswith("400")


def test_a_second_answer_is_refused_and_changes_nothing(shell: Function) -> None:
    answer = shell.invoke("again")
    assert (answer.json, answer.error) == ("first", None)
    refused = [line for line in answer.lines if "InvalidStateTransition" in line]
    assert ["to InvocationResponse failed" in refused[0], "to InitError failed" in refused[1]] == [True, True]
    assert [line[-4:] for line in refused] == ["}403", "}403"]
    assert shell.invoke("fine").json == "fine"


def test_calls_that_do_not_exist_are_refused(shell: Function) -> None:
    assert shell.invoke("elsewhere").json == "405 404"


GO = r"""
package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

func handle(ctx context.Context, event map[string]string) (map[string]string, error) {
	switch event["do"] {
	case "fail":
		return nil, errors.New("no")
	case "panic":
		panic("help")
	case "exit":
		os.Exit(7)
	case "sleep":
		time.Sleep(30 * time.Second)
	case "layer":
		text, err := os.ReadFile("/opt/data/text")
		if err != nil {
			return nil, err
		}
		out, err := exec.Command("tool").Output() // /opt/bin is on the path
		return map[string]string{"text": string(text), "tool": string(out)}, err
	}
	about, _ := lambdacontext.FromContext(ctx)
	names := []string{}
	for _, entry := range os.Environ() {
		names = append(names, strings.SplitN(entry, "=", 2)[0])
	}
	return map[string]string{"said": event["say"], "arn": about.InvokedFunctionArn, "id": about.AwsRequestID,
		"name": lambdacontext.FunctionName, "names": strings.Join(names, " ")}, nil
}

func main() { lambda.Start(handle) }
"""
GO_MODULE = "module engine\n\ngo 1.21\n\nrequire github.com/aws/aws-lambda-go v1.49.0\n"


def built(command: list[str], folder: Path, product: Path, timeout_s: float, **environ: str) -> bytes:
    try:
        done = subprocess.run(
            command, cwd=folder, env=os.environ | environ, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"{command[0]} took too long")
    if done.returncode != 0:
        pytest.skip(f"{command[0]} could not build: {done.stderr[-400:]}")
    return product.read_bytes()


@pytest.fixture(scope="module")
def go(node: Node, runtime: str, go_program: bytes) -> Function:
    return node.deploy({"bootstrap": go_program}, runtime)


@pytest.fixture(scope="session")
def go_program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    compiler = shutil.which("go")
    if compiler is None:
        pytest.skip("needs go")
    folder = tmp_path_factory.mktemp("go")
    (folder / "main.go").write_text(GO)
    (folder / "go.mod").write_text(GO_MODULE)
    command = [compiler, "build", "-mod=mod", "-tags", "lambda.norpc", "-o", "bootstrap", "."]
    return built(command, folder, folder / "bootstrap", 110, CGO_ENABLED="0")


def test_a_go_program_answers(go: Function, runtime: str) -> None:
    answer = go.invoke({"say": "ü"})
    seen = answer.json
    assert answer.error is None
    assert seen["said"] == "ü"
    assert seen["id"] == answer.request_id
    assert seen["arn"] == f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{go.name}"
    assert seen["name"] == go.name
    assert set(seen["names"].split()) - {"_X_AMZN_TRACE_ID"} == lambda_variables.names(runtime)


def test_a_go_program_fails_as_on_aws(go: Function) -> None:
    answer = go.invoke({"do": "fail"})
    assert (answer.error, answer.payload) == ("Unhandled", b'{"errorMessage":"no","errorType":"errorString"}')
    panicked = go.invoke({"do": "panic"})
    assert (panicked.error, panicked.json["errorMessage"], panicked.json["errorType"]) == ("Unhandled", "help", "string")
    assert panicked.json["stackTrace"][0].keys() == {"path", "line", "label"}
    ended = go.invoke({"do": "exit"})
    assert ended.json == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {ended.request_id} Error: Runtime exited with error: exit status 7",
    }
    assert go.invoke({"say": "again"}).json["said"] == "again"


def test_a_go_program_is_ended_in_time_and_finds_its_layer(node: Node, runtime: str, go_program: bytes) -> None:
    content = package({"data/text": "some", "bin/tool": "#!/bin/sh\nprintf tool"}, executable=("bin/tool",))
    arn = node.lambda_.publish_layer_version(LayerName="go", Content={"ZipFile": content})["LayerVersionArn"]
    function = node.deploy({"bootstrap": go_program}, runtime, Layers=[arn], Timeout=1)
    assert function.invoke({"do": "layer"}).json == {"text": "some", "tool": "tool"}
    ended = function.invoke({"do": "sleep"})
    assert ended.json == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {ended.request_id} Error: Task timed out after 1.00 seconds",
    }
    assert function.invoke({"say": "on"}).json["said"] == "on"


C = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static char data[65536];

/* One request over a connection of its own; the answer is in `data`, its length is returned. */
static size_t ask(const char *request) {
    char host[64];
    const char *api = getenv("AWS_LAMBDA_RUNTIME_API"), *colon = strchr(api, ':');
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(atoi(colon + 1))};
    snprintf(host, sizeof host, "%.*s", (int)(colon - api), api);
    inet_pton(AF_INET, host, &where.sin_addr);
    int peer = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(peer, (struct sockaddr *)&where, sizeof where)) exit(3);
    if (write(peer, request, strlen(request)) < 0) exit(4);
    size_t size = 0;
    for (ssize_t got; size < sizeof data - 1 && (got = read(peer, data + size, sizeof data - 1 - size)) > 0;) size += got;
    data[size] = 0;
    close(peer);
    return size;
}

int main(void) {
    for (;;) {
        char id[64], event[32768], answer[40000];
        ask("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n");
        const char *body = strstr(data, "\r\n\r\n"), *name = strcasestr(data, "lambda-runtime-aws-request-id:");
        sscanf(name + strlen("lambda-runtime-aws-request-id:"), " %63[^\r]", id);
        snprintf(event, sizeof event, "%s", body + 4);
        const char *kind = strstr(event, "fail") ? "error" : "response";
        const char *told = strstr(event, "fail") ? "{\"errorType\":\"C.No\",\"errorMessage\":\"no\"}" : event;
        snprintf(answer, sizeof answer, "POST /2018-06-01/runtime/invocation/%s/%s HTTP/1.1\r\nHost: api\r\n"
            "Connection: close\r\nContent-Length: %zu\r\n\r\n%s", id, kind, strlen(told), told);
        ask(answer);
    }
}
"""


@pytest.fixture(scope="session")
def c_program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs cc")
    folder = tmp_path_factory.mktemp("c")
    (folder / "main.c").write_text(C)
    return built([compiler, "-D_GNU_SOURCE", "-O1", "-o", "bootstrap", "main.c"], folder, folder / "bootstrap", 60)


def test_a_c_program_answers_and_fails(node: Node, runtime: str, c_program: bytes) -> None:
    function = node.deploy({"bootstrap": c_program}, runtime)
    assert function.invoke({"say": "ü"}).json == {"say": "ü"}
    failed = function.invoke({"do": "fail"})
    assert (failed.error, failed.json) == ("Unhandled", {"errorType": "C.No", "errorMessage": "no"})
    assert function.invoke([1]).json == [1]


RUST = """
use lambda_runtime::{run, service_fn, Error, LambdaEvent};
use serde_json::{json, Value};

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    if event.payload["do"] == "fail" {
        return Err("no".into());
    }
    Ok(json!({"said": event.payload["say"], "arn": event.context.invoked_function_arn, "id": event.context.request_id}))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(handle)).await
}
"""
RUST_MANIFEST = """
[package]
name = "bootstrap"
version = "0.1.0"
edition = "2021"

[dependencies]
lambda_runtime = { version = "1", default-features = false }
serde_json = "1"
tokio = { version = "1", features = ["macros", "rt"] }
"""


@pytest.fixture(scope="session")
def rust_program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    cargo = shutil.which("cargo")
    if cargo is None:
        pytest.skip("needs cargo")
    folder = tmp_path_factory.mktemp("rust")
    (folder / "src").mkdir()
    (folder / "src/main.rs").write_text(RUST)
    (folder / "Cargo.toml").write_text(RUST_MANIFEST)
    return built([cargo, "build", "--quiet"], folder, folder / "target/debug/bootstrap", 280)


@pytest.mark.timeout(330)
def test_a_rust_program_answers(node: Node, runtime: str, rust_program: bytes) -> None:
    function = node.deploy({"bootstrap": rust_program}, runtime)
    answer = function.invoke({"say": "ü"})
    assert answer.error is None, answer.payload
    assert (answer.json["said"], answer.json["id"]) == ("ü", answer.request_id)
    failed = function.invoke({"do": "fail"})
    assert (failed.error, failed.json["errorMessage"]) == ("Unhandled", "no")
    assert set(failed.json) == {"errorType", "errorMessage"}
