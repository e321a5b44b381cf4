"""Streaming with unmodified clients of other languages, and the limits as settings."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.running_node import Function, Node, running

pytestmark = pytest.mark.root

GO = r"""
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

func isLetGo(arn string) bool {
	scope := os.Getenv("AWS_ACCESS_KEY_ID") + "/20261123/" + os.Getenv("AWS_REGION") + "/lambda/aws4_request"
	request, _ := http.NewRequest("GET", os.Getenv("AWS_ENDPOINT_URL")+"/2017-03-31/tags/"+url.PathEscape(arn), nil)
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+scope+", SignedHeaders=host, Signature=00")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	found := struct{ Tags map[string]string }{}
	json.NewDecoder(answer.Body).Decode(&found)
	return found.Tags["go"] != ""
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("torn") }

func handle(ctx context.Context, event map[string]any) (any, error) {
	about, _ := lambdacontext.FromContext(ctx)
	path, _ := event["rawPath"].(string)
	do, _ := event["do"].(string)
	switch do + path {
	case "fail":
		return nil, errors.New("no")
	case "break":
		return io.MultiReader(strings.NewReader("part"), broken{}), nil
	case "wait":
		reader, writer := io.Pipe()
		go func() {
			fmt.Fprint(writer, "first")
			for !isLetGo(about.InvokedFunctionArn) {
				time.Sleep(20 * time.Millisecond)
			}
			fmt.Fprint(writer, "second")
			writer.Close()
		}()
		return reader, nil
	case "plain":
		return "not streamed", nil
	}
	return &events.LambdaFunctionURLStreamingResponse{
		StatusCode: 203, Headers: map[string]string{"Content-Type": "text/plain"}, Cookies: []string{"a=1"},
		Body: strings.NewReader("body of " + path),
	}, nil
}

func main() { lambda.Start(handle) }
"""
GO_MODULE = "module engine\n\ngo 1.21\n\nrequire github.com/aws/aws-lambda-go v1.49.0\n"

RUST = r"""
use lambda_runtime::{run, service_fn, streaming::{channel, Body, Response}, Error, LambdaEvent};
use serde_json::Value;

async fn handle(event: LambdaEvent<Value>) -> Result<Response<Body>, Error> {
    let (mut sender, body) = channel();
    let count = event.payload["count"].as_u64().unwrap_or(2);
    tokio::spawn(async move {
        for number in 0..count {
            if sender.send_data(format!("piece {number};").into()).await.is_err() {
                return;
            }
        }
        if count == 7 {
            sender.abort();
        }
    });
    Ok(Response::from(body))
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


def built(command: list[str], folder: Path, product: Path, **environ: str) -> bytes:
    """What a compiler makes; skips where it cannot."""
    try:
        done = subprocess.run(
            command, cwd=folder, env=os.environ | environ, capture_output=True, text=True, timeout=110, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"{command[0]} took too long")
    if done.returncode != 0:
        pytest.skip(f"{command[0]} could not build: {done.stderr[-400:]}")
    return product.read_bytes()


@pytest.fixture(scope="module")
def go(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Function:
    compiler = shutil.which("go")
    if compiler is None:
        pytest.skip("needs go")
    folder = tmp_path_factory.mktemp("go-streaming")
    (folder / "main.go").write_text(GO)
    (folder / "go.mod").write_text(GO_MODULE)
    command = [compiler, "build", "-mod=mod", "-tags", "lambda.norpc", "-o", "bootstrap", "."]
    return node.deploy({"bootstrap": built(command, folder, folder / "bootstrap", CGO_ENABLED="0")}, "provided.al2023")


def events_of(function: Function, event: Any) -> Iterator[dict[str, Any]]:
    answer = function.node.lambda_.invoke_with_response_stream(FunctionName=function.name, Payload=json.dumps(event))
    return iter(answer["EventStream"])


def read(function: Function, event: Any) -> tuple[bytes, dict[str, Any]]:
    """All bytes and the completion."""
    found = list(events_of(function, event))
    assert [name for each in found[:-1] for name in each] == ["PayloadChunk"] * (len(found) - 1)
    return b"".join(each["PayloadChunk"]["Payload"] for each in found[:-1]), found[-1]["InvokeComplete"]


def test_a_go_reader_is_streamed(go: Function) -> None:
    arn = go.node.lambda_.get_function(FunctionName=go.name)["Configuration"]["FunctionArn"]
    events = events_of(go, {"do": "wait"})
    assert next(events) == {"PayloadChunk": {"Payload": b"first"}}
    go.node.lambda_.tag_resource(Resource=arn, Tags={"go": "1"})
    assert next(events) == {"PayloadChunk": {"Payload": b"second"}}
    assert list(events) == [{"InvokeComplete": {}}]


def test_a_go_reader_that_fails_reports_it_in_trailers(go: Function) -> None:
    data, complete = read(go, {"do": "break"})
    assert data == b"part"
    assert complete["ErrorCode"] == "Unhandled"
    assert json.loads(complete["ErrorDetails"]) == {"errorMessage": "torn", "errorType": "errorString"}
    assert read(go, {"do": "fail"})[0] == b""
    assert read(go, {"do": "plain"}) == (b'"not streamed"', {})


def test_a_go_answer_for_a_url_is_streamed_with_its_head(go: Function) -> None:
    made = go.node.lambda_.create_function_url_config(FunctionName=go.name, AuthType="NONE", InvokeMode="RESPONSE_STREAM")
    place = urlsplit(go.node.url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=30)
    connection.request("GET", "/there", headers={"Host": urlsplit(made["FunctionUrl"]).netloc})
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Content-Type"), answer.getheader("Set-Cookie")) == (203, "text/plain", "a=1")
    assert answer.read() == b"body of /there"
    connection.close()


def test_a_rust_channel_is_streamed(node: Node, tmp_path: Path) -> None:
    cargo = shutil.which("cargo")
    if cargo is None:
        pytest.skip("needs cargo")
    (tmp_path / "src").mkdir()
    (tmp_path / "src/main.rs").write_text(RUST)
    (tmp_path / "Cargo.toml").write_text(RUST_MANIFEST)
    program = built([cargo, "build", "--quiet"], tmp_path, tmp_path / "target/debug/bootstrap")
    function = node.deploy({"bootstrap": program}, "provided.al2023")
    data, complete = read(function, {"count": 3})
    assert data.endswith(b"piece 0;piece 1;piece 2;")  # behind the client's own prelude
    assert complete == {}
    torn, complete = read(function, {"count": 7})
    assert b"Runtime.StreamError" in torn  # this client writes its trailers into the body, so only a reader can tell
    assert complete == {}
    assert read(function, {"count": 1})[0].endswith(b"piece 0;")


STREAM = """
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  const piece = 'x'.repeat(65536);
  for (let n = 0; n < event.pieces; n++) if (!stream.write(piece)) await new Promise((go) => stream.once('drain', go));
  stream.end();
});
"""


@pytest.mark.parametrize("runtime", ["nodejs22.x"], indirect=True)
def test_the_limits_are_settings_that_hold(tmp_path: Path, node: Node, runtime: str) -> None:
    limits = {"LAMBDA_STREAM_RESPONSE_MIB": "1", "LAMBDA_STREAM_BURST_MIB": "0.5", "LAMBDA_STREAM_MIB_PER_S": "1000"}
    with running(tmp_path / "small", "oci", **limits) as small:
        function = small.deploy(STREAM, runtime)
        data, complete = read(function, {"pieces": 16})
        assert (len(data), complete) == (1024 * 1024, {})
        data, complete = read(function, {"pieces": 17})
        assert len(data) <= 1024 * 1024
        assert json.loads(complete["ErrorDetails"])["errorType"] == "Function.ResponseSizeTooLarge"
        assert "(1048576 bytes)" in json.loads(complete["ErrorDetails"])["errorMessage"]
        assert read(function, {"pieces": 1})[1] == {}, "the environment goes on"


@pytest.mark.parametrize("runtime", ["nodejs22.x"], indirect=True)
def test_bandwidth_holds_the_function_back_until_its_timeout(tmp_path: Path, node: Node, runtime: str) -> None:
    limits = {"LAMBDA_STREAM_BURST_MIB": "0.5", "LAMBDA_STREAM_MIB_PER_S": "0.1"}
    with running(tmp_path / "narrow", "oci", **limits) as narrow:
        function = narrow.deploy(STREAM, runtime, Timeout=2)
        data, complete = read(function, {"pieces": 100})
        assert len(data) < 100 * 65536, "6.25 MiB take a minute here, and the function has two seconds"
        assert "Task timed out" in json.loads(complete["ErrorDetails"])["errorMessage"]
