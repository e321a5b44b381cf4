"""SnapStart of Java functions: the official client's hooks, and what ``org.crac`` asks to find them."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest

from functory.runtimes.catalog import Catalog
from functory.sandbox.probe import find_runtime
from tests.support.running_node import WAIT_S, Node, until

SOURCE = """
import com.amazonaws.services.lambda.crac.Core;
import com.amazonaws.services.lambda.crac.Resource;
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.security.SecureRandom;
import java.util.*;

public class App implements RequestHandler<Map<String, Object>, Map<String, Object>>, Resource {
    static final SecureRandom RANDOM = new SecureRandom();
    static final String INIT = UUID.randomUUID().toString();
    static final List<String> HOOKS = new ArrayList<>();

    public App() { RANDOM.nextLong(); Core.getGlobalContext().register(this); }

    public void beforeCheckpoint(com.amazonaws.services.lambda.crac.Context<? extends Resource> all) { HOOKS.add("before"); }

    public void afterRestore(com.amazonaws.services.lambda.crac.Context<? extends Resource> all) { HOOKS.add("after"); }

    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        if (event.containsKey("exit")) Runtime.getRuntime().halt(3);
        return Map.of(
            "init", INIT, "hooks", HOOKS, "random", String.valueOf(RANDOM.nextLong()),
            "type", System.getenv("AWS_LAMBDA_INITIALIZATION_TYPE"), "crac", System.getProperty("org.crac.Core.Compat"));
    }
}
"""


@pytest.mark.parametrize("runtime", ["java11", "java17", "java21", "java25"], indirect=True)
def test_two_restores_share_their_init_and_nothing_else(node: Node, runtime: str, catalog: Catalog, tmp_path: Path) -> None:
    compiler = shutil.which("javac")
    if compiler is None or find_runtime("runsc") is None:
        pytest.skip("needs javac and runsc")
    source, target = tmp_path / "App.java", tmp_path / "classes"
    source.write_text(SOURCE)
    library = asyncio.run(catalog.resolve(runtime)).mounts[1].source / "lib"
    path = ":".join(str(jar) for jar in library.glob("*.jar"))
    subprocess.run([compiler, "--release", "11", "-cp", path, "-d", str(target), str(source)], check=True)
    on = {"ApplyOn": "PublishedVersions"}
    function = node.deploy({"App.class": (target / "App.class").read_bytes()}, runtime, "App", MemorySize=512, SnapStart=on)
    node.lambda_.publish_version(FunctionName=function.name)

    def settled() -> str:
        shown = node.lambda_.get_function_configuration(FunctionName=function.name, Qualifier="1")
        return "" if shown["State"] == "Pending" else shown["State"] + shown.get("StateReason", "")

    assert until(settled, "the end of the init", 3 * WAIT_S) == "Active"
    first = function.invoke({}, qualifier="1")
    assert first.error is None, first.payload
    assert "Restore Duration" in first.report
    assert function.invoke({"exit": True}, qualifier="1").error == "Unhandled"
    second = function.invoke({}, qualifier="1")
    assert "Restore Duration" in second.report
    shared = {
        "hooks": ["before", "after"],
        "type": "snap-start",
        "crac": "com.amazonaws.services.lambda.crac",
        "init": first.json["init"],
    }
    for answer in (first, second):
        assert {name: answer.json[name] for name in shared} == shared
    assert first.json["random"] != second.json["random"]
