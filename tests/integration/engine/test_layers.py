"""Functions that find code, programs and libraries in their layers."""

from __future__ import annotations

import itertools
import shutil
import urllib.request

import pytest

from tests.integration.engine.test_custom import SHELL
from tests.integration.environments.test_extensions import EXTENSION
from tests.support.running_node import EXEC, Files, Node, package

pytestmark = pytest.mark.root
_names = itertools.count(1)
PROGRAMS = ("bootstrap", "bin/tool", "wrapper", "extensions/one", "extensions/two")


def layer(node: Node, files: Files, **more: object) -> str:
    """The ARN of a new layer."""
    content = {"ZipFile": package(files, executable=PROGRAMS)}
    answer = node.lambda_.publish_layer_version(LayerName=f"layer-{next(_names)}", Content=content, **more)
    return str(answer["LayerVersionArn"])


@pytest.fixture(params=["node", "plain_node"])
def any_node(request: pytest.FixtureRequest) -> Node:
    """A node that isolates, and one that does not."""
    found: Node = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("runtime", ["python3.12"], indirect=True)
def test_python_imports_from_layers_and_later_ones_override_earlier_ones(any_node: Node, runtime: str) -> None:
    packages = f"python/lib/{runtime}/site-packages"
    first = layer(any_node, {"python/shared.py": "name = 'first'", "python/only_first.py": "name = 'one'", "data/x": "1"})
    second = layer(any_node, {"python/shared.py": "name = 'second'", f"{packages}/inside.py": "name = 'site'"})
    code = """
import inside, only_first, shared
result = [shared.name, only_first.name, inside.name]
"""
    function = any_node.deploy(EXEC, runtime, Layers=[first, second])
    assert function.run(code) == ["second", "one", "site"]
    function.configure(Layers=[second, first])
    assert function.run(code) == ["first", "one", "site"]
    function.configure(Layers=[first])
    assert function.run("import shared, importlib.util as u\nresult = [shared.name, u.find_spec('inside') is None]") == [
        "first",
        True,
    ]
    function.configure(Layers=[])
    assert function.run("import importlib.util as u\nresult = u.find_spec('shared') is None") is True


@pytest.mark.parametrize("runtime", ["python3.12"], indirect=True)
def test_opt_is_merged_and_read_only(node: Node, runtime: str) -> None:
    layers = [layer(node, {f"bin/{name}": name, "both": name}) for name in ("a", "b", "c")]
    function = node.deploy(EXEC, runtime, Layers=layers)
    code = """
import os
found = {os.path.join(at, name): open(os.path.join(at, name)).read() for at, _, names in os.walk('/opt') for name in names}
refused = []
for path in ('/opt/new', '/opt/both', '/opt/bin/new'):
    try:
        open(path, 'w')
    except OSError as error:
        refused.append(error.errno)
result = [found, refused]
"""
    files, refused = function.run(code)
    assert files == {"/opt/both": "c", "/opt/bin/a": "a", "/opt/bin/b": "b", "/opt/bin/c": "c"}
    assert len(refused) == 3
    assert set(refused) <= {13, 30}


@pytest.mark.parametrize("runtime", ["python3.12"], indirect=True)
def test_a_deleted_layer_version_keeps_working_and_versions_keep_their_layers(node: Node, runtime: str) -> None:
    old, new = layer(node, {"python/shared.py": "name = 'old'"}), layer(node, {"python/shared.py": "name = 'new'"})
    function = node.deploy(EXEC, runtime, Layers=[old], Publish=True)
    function.configure(Layers=[new])
    for arn in (old, new):
        node.lambda_.delete_layer_version(LayerName=arn.split(":")[6], VersionNumber=1)
    code = "import shared\nresult = shared.name"
    assert [function.run(code), function.run(code, qualifier="1")] == ["new", "old"]


@pytest.mark.parametrize("runtime", ["nodejs20.x"], indirect=True)
def test_node_requires_from_layers(any_node: Node, runtime: str) -> None:
    def module(folder: str, name: str, text: str) -> dict[str, str]:
        return {f"nodejs/{folder}node_modules/{name}/index.js": f"module.exports = '{text}'"}

    first = layer(any_node, module("", "shared", "first") | module("", "plain", "any version"))
    second = layer(any_node, module("", "shared", "second") | module("node20/", "plain", "this version"))
    function = any_node.deploy(
        "exports.handler = async () => [require('shared'), require('plain')]", runtime, Layers=[first, second]
    )
    assert function.invoke().json == ["second", "this version"]


@pytest.mark.parametrize("runtime", ["python3.12"], indirect=True)
def test_a_wrapper_of_a_layer_starts_the_runtime(any_node: Node, runtime: str) -> None:
    wrapper = '#!/bin/sh\nexport WRAPPED="$#"\nexec "$@"\n'
    arn = layer(any_node, {"wrapper": wrapper})
    variables = {"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}}
    function = any_node.deploy(EXEC, runtime, Layers=[arn], Environment=variables)
    assert int(function.run("import os\nresult = os.environ['WRAPPED']")) >= 2


@pytest.mark.parametrize("runtime", ["python3.12"], indirect=True)
def test_a_wrapper_that_is_not_there_ends_with_127(node: Node, runtime: str) -> None:
    arn = layer(node, {"another": "file"})
    variables = {"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}}
    function = node.deploy(EXEC, runtime, Layers=[arn], Environment=variables)
    answer = function.invoke()
    assert answer.error == "Unhandled"
    assert answer.json == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {answer.request_id} Error: Runtime exited with error: exit status 127",
    }
    assert "/opt/wrapper: does not exist" in function.logged("does not exist")


@pytest.mark.parametrize("runtime", ["python3.12"], indirect=True)
def test_extensions_of_several_layers_run_beside_the_function(any_node: Node, runtime: str) -> None:
    layers = [layer(any_node, {f"extensions/{name}": EXTENSION}) for name in ("one", "two")]
    function = any_node.deploy(EXEC, runtime, Layers=layers)
    assert function.run("result = 'ran'") == "ran"
    text = function.logged("Name: one", "Name: two", "event INVOKE")
    for name in ("one", "two"):
        assert f"Name: {name}\tState: Ready\tEvents: [INVOKE, SHUTDOWN]" in text


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_a_bootstrap_may_come_from_a_layer_and_finds_its_programs(node: Node) -> None:
    bootstrap = SHELL.replace("'\"variables\"')", '\'"tool"\') answer="$(tool) $LD_LIBRARY_PATH" ;;\n    \'"variables"\')')
    arn = layer(node, {"bootstrap": bootstrap.replace("#!/bin/sh", "#!/bin/bash"), "bin/tool": "#!/bin/sh\necho tool"})
    function = node.deploy({"data": "x"}, "provided.al2023", "any", Layers=[arn])
    tool, path = function.invoke("tool").json.split(" ")
    assert tool == "tool"
    assert "/opt/lib" in path.split(":")


def test_a_bootstrap_of_a_layer_that_cannot_be_executed_is_named(node: Node) -> None:
    arn = layer(node, {"bootstrap": "no program"})
    answer = node.deploy({"data": "x"}, "provided.al2023", "any", Layers=[arn]).invoke()
    assert answer.json["errorType"] == "Runtime.InvalidEntrypoint"
    assert "fork/exec /opt/bootstrap: exec format error" in answer.json["errorMessage"]


def test_the_content_of_a_layer_can_be_fetched(node: Node) -> None:
    arn = layer(node, {"a": "b"})
    location = node.lambda_.get_layer_version_by_arn(Arn=arn)["Content"]["Location"]
    with urllib.request.urlopen(location) as answer:
        assert answer.read() == package({"a": "b"})
    with pytest.raises(node.lambda_.exceptions.ResourceNotFoundException):
        node.lambda_.get_layer_version_by_arn(Arn=f"{arn}{2**70}")
