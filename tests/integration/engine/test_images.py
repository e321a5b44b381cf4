"""Functions of container images on a running node, from a layout and from a registry."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.oci_images import Layout, folder, link, member, registry
from tests.support.running_node import ROLE, Function, Node, running, until

PROGRAM = """
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	fmt.Println("started with", os.Args)
	for {
		next, err := http.Get(api + "next")
		if err != nil { panic(err) }
		event, _ := io.ReadAll(next.Body)
		next.Body.Close()
		id := next.Header.Get("Lambda-Runtime-Aws-Request-Id")
		var said struct{ Do string }
		_ = json.Unmarshal(event, &said)
		if said.Do == "sleep" { time.Sleep(30 * time.Second) }
		if said.Do == "fail" {
			told := strings.NewReader(`{"errorType":"Image.No","errorMessage":"no"}`)
			sent, err := http.Post(api+id+"/error", "application/json", told)
			if err != nil { panic(err) }
			sent.Body.Close()
			continue
		}
		env := map[string]string{}
		for _, pair := range os.Environ() {
			name, value, _ := strings.Cut(pair, "=")
			env[name] = value
		}
		cwd, _ := os.Getwd()
		hosts, _ := os.ReadFile("/etc/hosts")
		data, _ := os.ReadFile("/data/note")
		_, system := os.Stat("/usr/bin")
		_, secret := os.ReadFile("/data/secret")
		rootfs := os.WriteFile("/data/new", []byte("x"), 0o644)
		tmp := os.WriteFile("/tmp/new", []byte("x"), 0o644)
		answer, _ := json.Marshal(map[string]any{
			"event": json.RawMessage(event), "args": os.Args, "env": env, "cwd": cwd, "hosts": string(hosts),
			"note": string(data), "host_system": system == nil, "secret": secret == nil, "uid": os.Getuid(),
			"root_is_writable": rootfs == nil, "tmp_is_writable": tmp == nil,
		})
		sent, err := http.Post(api+id+"/response", "application/json", bytes.NewReader(answer))
		if err != nil { panic(err) }
		sent.Body.Close()
	}
}
"""


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A static program that is a whole runtime."""
    compiler = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if compiler is None:
        pytest.skip("Go is not installed")
    work = tmp_path_factory.mktemp("go")
    (work / "main.go").write_text(PROGRAM)
    environ = {**os.environ, "CGO_ENABLED": "0", "GO111MODULE": "off", "GOFLAGS": ""}
    subprocess.run([compiler, "build", "-o", "program", "main.go"], cwd=work, env=environ, check=True, capture_output=True)
    return (work / "program").read_bytes()


ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]


@pytest.fixture(scope="module")
def layout(program: bytes, tmp_path_factory: pytest.TempPathFactory) -> Layout:
    made = Layout(tmp_path_factory.mktemp("images") / "layout")
    below = [
        folder("app"),
        (member("app/main"), program),
        folder("data", 0o777),
        (member("data/note", mode=0o644), b"from below"),
        (member("data/secret", mode=0o600), b"for root"),
        link("etc", "/nowhere"),
    ]
    above = [(member("data/note", mode=0o644), b"from above"), link("app/alias", "/app/main")]
    settings: dict[str, Any] = {
        "Entrypoint": ["main"],
        "Cmd": ["app.handler"],
        "Env": ["PATH=/app:/bin", "OWN=image", "TASK={task}"],
        "WorkingDir": "/data",
    }
    made.add("v1", [below, above], architecture=ARCHITECTURE, **settings)
    made.add("v2", [below], architecture=ARCHITECTURE, **settings)
    made.add("bare", [below], architecture=ARCHITECTURE)
    made.add("foreign", [below], architecture="riscv64", Entrypoint=["/app/main"])
    made.add("lazy", [below], architecture=ARCHITECTURE, layer_type="application/vnd.oci.image.layer.v1.tar+zstd")
    return made


@pytest.fixture(scope="module")
def pulled(layout: Layout) -> Iterator[str]:
    """The registry's address."""
    with registry(layout) as address:
        yield address


@pytest.fixture(scope="module")
def image_node(layout: Layout, pulled: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    settings = {"IMAGES_FOLDERS": str(layout.path.parent), "IMAGES_INSECURE_REGISTRIES": pulled}
    with running(tmp_path_factory.mktemp("images-node") / "data", "oci", **settings) as node:
        yield node


def deploy(node: Node, uri: str, name: str, **settings: Any) -> Function:
    function = Function(node, name)
    node.lambda_.create_function(
        FunctionName=name, Role=ROLE, PackageType="Image", Code={"ImageUri": uri}, Timeout=10, **settings
    )
    function.wait()
    return function


def test_an_image_runs_with_its_own_root_command_variables_and_folder(image_node: Node, layout: Layout) -> None:
    function = deploy(image_node, f"oci:{layout.path}:v1", "plain", Environment={"Variables": {"MINE": "1"}})
    answer = function.invoke({"a": 1})
    assert answer.error is None, answer.payload
    seen = answer.json
    assert seen["event"] == {"a": 1}
    assert seen["args"] == ["/app/main", "app.handler"]
    assert seen["cwd"] == "/data"
    assert seen["note"] == "from above"
    assert (seen["host_system"], seen["secret"]) == (False, False)
    assert (seen["root_is_writable"], seen["tmp_is_writable"]) == (False, True)
    assert seen["uid"] == 993
    assert "sandbox.localdomain" in seen["hosts"]
    env = seen["env"]
    assert (env["PATH"], env["OWN"], env["MINE"], env["TASK"]) == ("/app:/bin", "image", "1", "{task}")
    assert env["AWS_LAMBDA_FUNCTION_NAME"] == "plain"
    assert not {"_HANDLER", "AWS_EXECUTION_ENV", "LD_LIBRARY_PATH", "TZ"} & set(env)
    assert "started with [/app/main app.handler]" in function.logged("REPORT")
    assert "INIT_START" not in function.logged("REPORT")


def test_its_errors_and_its_time_are_those_of_every_function(image_node: Node, layout: Layout) -> None:
    function = deploy(image_node, f"oci:{layout.path}:v1", "failing")
    function.configure(Timeout=1)
    failed = function.invoke({"do": "fail"})
    assert (failed.error, failed.json) == ("Unhandled", {"errorType": "Image.No", "errorMessage": "no"})
    ended = function.invoke({"do": "sleep"})
    assert ended.json == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {ended.request_id} Error: Task timed out after 1.00 seconds",
    }
    answer = function.invoke({"do": "go on"})
    assert (answer.error, answer.json["event"]) == (None, {"do": "go on"})


def test_image_config_overrides_entry_point_command_and_folder(image_node: Node, layout: Layout) -> None:
    config = {"EntryPoint": ["/app/alias", "x"], "Command": ["y"], "WorkingDirectory": "/app"}
    function = deploy(image_node, f"oci:{layout.path}:v1", "overridden", ImageConfig=config)
    seen = function.invoke({}).json
    assert (seen["args"], seen["cwd"]) == (["/app/alias", "x", "y"], "/app")
    shown = image_node.lambda_.get_function_configuration(FunctionName="overridden")
    assert shown["ImageConfigResponse"] == {"ImageConfig": config}

    function.configure(ImageConfig={})
    assert function.invoke({}).json["args"] == ["/app/main", "app.handler"]
    assert "ImageConfigResponse" not in image_node.lambda_.get_function_configuration(FunctionName="overridden")


def test_a_node_that_starts_again_runs_it_without_the_registry(
    program: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    place = tmp_path_factory.mktemp("again")
    layout = Layout(place / "layout")
    layout.add("v1", [[(member("main"), program)]], architecture=ARCHITECTURE, Entrypoint=["/main"])
    with running(place / "data", "oci", IMAGES_FOLDERS=str(place)) as node:
        assert deploy(node, f"oci:{layout.path}:v1", "again").invoke(1).json["event"] == 1
    shutil.rmtree(layout.path)
    with running(place / "data", "oci", IMAGES_FOLDERS=str(place)) as node:
        assert Function(node, "again").invoke(2).json["event"] == 2
    shutil.rmtree(place / "data/unpacked")
    with running(place / "data", "oci", IMAGES_FOLDERS=str(place)) as node:
        error = Function(node, "again").invoke(3).json
        assert error["errorType"] == "Runtime.Unavailable"
        assert "UpdateFunctionCode fetches it again" in error["errorMessage"]


def test_what_cannot_be_started_is_told_in_awss_words(image_node: Node, layout: Layout) -> None:
    cases = {
        "no-entry": ("bare", {}, "Runtime.InvalidEntrypoint", "neither ENTRYPOINT nor CMD"),
        "no-file": ("v1", {"EntryPoint": ["/app/absent"]}, "Runtime.InvalidEntrypoint", "no such file or directory"),
        "no-name": ("v1", {"EntryPoint": ["absent"]}, "Runtime.InvalidEntrypoint", "executable file not found in $PATH"),
        "no-right": ("v1", {"EntryPoint": ["/data/note"]}, "Runtime.InvalidEntrypoint", "permission denied"),
        "no-folder": ("v1", {"WorkingDirectory": "/absent"}, "Runtime.InvalidWorkingDir", "chdir /absent"),
    }
    for name, (tag, config, kind, words) in cases.items():
        more = {"ImageConfig": config} if config else {}
        answer = deploy(image_node, f"oci:{layout.path}:{tag}", name, **more).invoke({})
        assert answer.error == "Unhandled"
        assert answer.json["errorType"] == kind, name
        assert words in answer.json["errorMessage"], name


def test_it_is_shown_as_aws_shows_it_and_follows_a_tag_only_when_told(image_node: Node, layout: Layout) -> None:
    uri = f"oci:{layout.path}:moving"
    note = (member("data/note", mode=0o644), b"new")
    content = json.loads((layout.path / "index.json").read_bytes())["manifests"]
    old = next(entry["digest"] for entry in content if entry["annotations"]["org.opencontainers.image.ref.name"] == "v2")
    function = deploy(image_node, f"oci:{layout.path}@{old}", "moving")
    assert function.invoke({}).json["note"] == "from below"
    shown = image_node.lambda_.get_function(FunctionName="moving")
    assert shown["Code"] == {
        "RepositoryType": "ECR",
        "ImageUri": f"oci:{layout.path}@{old}",
        "ResolvedImageUri": f"oci:{layout.path}@{old}",
    }
    configuration = shown["Configuration"]
    assert configuration["PackageType"] == "Image"
    assert configuration["CodeSha256"] == old.removeprefix("sha256:")
    assert configuration["CodeSize"] == 0
    assert not {"Runtime", "Handler", "RuntimeVersionConfig"} & set(configuration)

    new = layout.add("moving", [[note]], architecture=ARCHITECTURE)
    dry = image_node.lambda_.update_function_code(FunctionName="moving", ImageUri=uri, DryRun=True)
    assert dry["CodeSha256"] == new.removeprefix("sha256:")
    assert function.invoke({}).json["note"] == "from below"


def test_an_image_of_a_registry_is_pulled_by_digest(image_node: Node, layout: Layout, pulled: str) -> None:
    if shutil.which("skopeo") is None:
        pytest.skip("skopeo is not installed")
    function = deploy(image_node, f"{pulled}/demo/app:v1", "pulled")
    assert function.invoke({}).json["note"] == "from above"
    code = image_node.lambda_.get_function(FunctionName="pulled")["Code"]
    assert code["ImageUri"] == f"{pulled}/demo/app:v1"
    assert code["ResolvedImageUri"] == f"{pulled}/demo/app@sha256:{layout.find('v1')}"
    version = image_node.lambda_.publish_version(FunctionName="pulled")["Version"]
    image_node.lambda_.update_function_code(FunctionName="pulled", ImageUri=f"{pulled}/demo/app:v2")
    function.wait()
    assert function.invoke({}).json["note"] == "from below"
    assert until(lambda: function.invoke({}, qualifier=version)).json["note"] == "from above"


REFUSALS = {
    "absent": "does not exist. Provide a valid source image.",
    "lazy": "layer media type for the source image",
}


@pytest.mark.parametrize("tag", sorted(REFUSALS))
def test_an_image_that_cannot_be_is_refused_at_once(image_node: Node, layout: Layout, pulled: str, tag: str) -> None:
    uris = [f"oci:{layout.path}:{tag}"] + ([f"{pulled}/demo/app:{tag}"] if shutil.which("skopeo") else [])
    for uri in uris:
        with pytest.raises(ClientError) as refused:
            deploy(image_node, uri, "refused")
        assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"
        assert REFUSALS[tag] in refused.value.response["Error"]["Message"]


def test_a_place_that_is_not_allowed_is_refused(image_node: Node, pulled: str, tmp_path: Path) -> None:
    uris = [f"oci:{tmp_path}:v1"] + ([f"{pulled}/other/app:v1"] if shutil.which("skopeo") else [])
    for uri in uris:
        with pytest.raises(ClientError, match="Lambda does not have permission to access the ECR image"):
            deploy(image_node, uri, "refused")


def test_an_image_for_another_machine_fails_the_function(image_node: Node, layout: Layout) -> None:
    image_node.lambda_.create_function(
        FunctionName="foreign", Role=ROLE, PackageType="Image", Code={"ImageUri": f"oci:{layout.path}:foreign"}
    )

    def failed() -> dict[str, Any] | None:
        now: dict[str, Any] = image_node.lambda_.get_function_configuration(FunctionName="foreign")
        return now if now["State"] == "Failed" else None

    now = until(failed)
    assert now is not None
    assert now["StateReasonCode"] == "InvalidImage"
    assert "made for linux/riscv64" in now["StateReason"]


def test_without_isolation_images_are_refused(plain_node: Node, layout: Layout) -> None:
    with pytest.raises(ClientError, match="PackageType Image without isolation"):
        deploy(plain_node, f"oci:{layout.path}:v1", "refused")
