"""Java functions on a running node: AWS's own client on a Java of this machine."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from functory.runtimes.catalog import Catalog
from functory.runtimes.port import RuntimeMissing
from tests.support.running_node import Files, Node

SOURCE = """
package demo;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import java.io.*;
import java.lang.management.ManagementFactory;
import java.util.*;

public class App implements RequestHandler<Map<String, Object>, Map<String, Object>> {
    public static class Order {
        private String id; private List<Integer> counts;
        public String getId() { return id; }
        public void setId(String id) { this.id = id; }
        public List<Integer> getCounts() { return counts; }
        public void setCounts(List<Integer> counts) { this.counts = counts; }
    }

    public static class Total {
        public String id; public int total;
        public String getId() { return id; }
        public int getTotal() { return total; }
    }

    public static class Stream implements RequestStreamHandler {
        public void handleRequest(InputStream in, OutputStream out, Context context) throws IOException {
            byte[] bytes = in.readAllBytes();
            out.write(("{\\"bytes\\":" + bytes.length + "}").getBytes("UTF-8"));
        }
    }

    public static class Broken {
        static { if (true) throw new IllegalStateException("no start"); }
        public String handle(String event) { return event; }
    }

    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        context.getLogger().log("from the logger " + event.get("name") + "\\n");
        System.out.println("from stdout");
        Map<String, Object> answer = new TreeMap<>();
        answer.put("event", event);
        answer.put("request", context.getAwsRequestId());
        answer.put("function", context.getFunctionName());
        answer.put("memory", context.getMemoryLimitInMB());
        answer.put("remaining", context.getRemainingTimeInMillis());
        answer.put("env", System.getenv());
        answer.put("version", System.getProperty("java.version"));
        answer.put("heap", Runtime.getRuntime().maxMemory());
        answer.put("arguments", ManagementFactory.getRuntimeMXBean().getInputArguments());
        answer.put("trace", System.getProperty("com.amazonaws.xray.traceHeader"));
        answer.put("client", com.amazonaws.services.lambda.runtime.Context.class.getProtectionDomain()
            .getCodeSource().getLocation().getPath());
        return answer;
    }

    public Total sum(Order order) {
        Total total = new Total();
        total.id = order.getId();
        for (int count : order.getCounts()) total.total += count;
        return total;
    }

    public String fail(String event) {
        throw new IllegalArgumentException("bad " + event, new IOException("below"));
    }
}
"""
JAVAS = ["java11", "java17", "java17.al2023", "java21", "java25"]
every_java = pytest.mark.parametrize("runtime", JAVAS, indirect=True)
one_java = pytest.mark.parametrize("runtime", ["java17"], indirect=True)
MEMORY = {"MemorySize": 512}


@pytest.fixture(scope="module")
def classes(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """`SOURCE`, compiled for Java 11."""
    compiler = shutil.which("javac")
    if compiler is None:
        pytest.skip("javac is not installed")
    core = next((core for name in JAVAS if (core := core_of(catalog, name)) is not None), None)
    if core is None:
        pytest.skip("no Java runtime is installed: functory runtimes install java17")
    folder = tmp_path_factory.mktemp("java")
    source = folder / "App.java"
    source.write_text(SOURCE)
    target = folder / "classes"
    subprocess.run([compiler, "--release", "11", "-cp", str(core), "-d", str(target), str(source)], check=True)
    return {str(file.relative_to(target)): file.read_bytes() for file in target.rglob("*.class")}


def core_of(catalog: Catalog, name: str) -> Path | None:
    """The jar with Lambda's interfaces, of an installed runtime."""
    try:
        ready = asyncio.run(catalog.resolve(name))
    except RuntimeMissing:
        return None
    return next(ready.mounts[1].source.glob("lib/aws-lambda-java-core-*.jar"))


@every_java
def test_a_request_handler_gets_event_context_and_lambdas_environment(node: Node, runtime: str, classes: Files) -> None:
    function = node.deploy(classes, runtime, "demo.App", **MEMORY)
    answer = function.invoke({"name": "ü", "n": [1, 2.5, None]})

    assert answer.error is None, answer.payload
    seen = answer.json
    assert seen["event"] == {"name": "ü", "n": [1, 2.5, None]}
    assert seen["request"] == answer.request_id
    assert (seen["function"], seen["memory"]) == (function.name, 512)
    assert 0 < seen["remaining"] <= 20_000
    assert seen["version"].split(".")[0] == runtime.removeprefix("java").split(".")[0]
    assert seen["client"].startswith("/var/runtime/lib/")
    env = seen["env"]
    assert env["AWS_EXECUTION_ENV"] == f"AWS_Lambda_{runtime}"
    assert env["_HANDLER"] == "demo.App"
    assert not {"PWD", "SHLVL", "PYTHONPATH"} & set(env)
    assert "from the logger ü" in answer.log
    assert "from stdout" in answer.log
    assert f"INIT_START Runtime Version: java:{seen['version']}" in function.logged("INIT_START")


@one_java
def test_the_machine_has_lambdas_heap_and_options(node: Node, runtime: str, classes: Files) -> None:
    seen = node.deploy(classes, runtime, "demo.App", **MEMORY).invoke({}).json
    wanted = {"-XX:MaxHeapSize=445644k", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"}
    assert wanted <= set(seen["arguments"])
    assert 0.9 * 445_644 * 1024 < seen["heap"] <= 445_644 * 1024

    options = "-Xmx200m"
    again = node.deploy(classes, runtime, "demo.App", **MEMORY, Environment={"Variables": {"JAVA_TOOL_OPTIONS": options}})
    answer = again.invoke({})
    assert not [option for option in answer.json["arguments"] if "MaxHeapSize" in option]
    assert answer.json["heap"] <= 200 * 1024 * 1024


@pytest.mark.parametrize("runtime", ["java11", "java17", "java21", "java25"], indirect=True)
def test_most_of_the_client_comes_out_of_the_archive(node: Node, catalog: Catalog, runtime: str, classes: Files) -> None:
    if not (asyncio.run(catalog.resolve(runtime)).mounts[1].source / "lib/runtime.jsa").is_file():
        pytest.skip("this pack was made without an archive")
    variables = {"JAVA_TOOL_OPTIONS": "-Xlog:class+load:stdout"}
    function = node.deploy(classes, runtime, "demo.App", **MEMORY, Environment={"Variables": variables})
    assert function.invoke({}).error is None
    loaded = [line for line in function.logged("REPORT").splitlines() if "com.amazonaws.services.lambda.runtime" in line]
    shared = [line for line in loaded if "shared objects file" in line]
    assert len(shared) > len(loaded) / 2


@every_java
def test_methods_with_classes_of_their_own_and_streams(node: Node, runtime: str, classes: Files) -> None:
    method = node.deploy(classes, runtime, "demo.App::sum", **MEMORY)
    assert method.invoke({"id": "a", "counts": [1, 2, 3]}).json == {"id": "a", "total": 6}
    assert method.invoke({"id": "b", "counts": []}).json == {"id": "b", "total": 0}
    stream = node.deploy(classes, runtime, "demo.App$Stream", **MEMORY)
    assert stream.invoke(b'{"x":  1}').json == {"bytes": 9}


@one_java
def test_an_exception_is_told_with_class_trace_and_cause(node: Node, runtime: str, classes: Files) -> None:
    function = node.deploy(classes, runtime, "demo.App::fail", **MEMORY)
    answer = function.invoke("x")
    assert answer.error == "Unhandled"
    error = answer.json
    assert error["errorMessage"] == "bad x"
    assert error["errorType"] == "java.lang.IllegalArgumentException"
    assert error["stackTrace"][0].startswith("demo.App.fail(App.java:")
    assert "Caused by: java.io.IOException: below" in answer.log
    assert "bad x: java.lang.IllegalArgumentException" in answer.log
    assert function.invoke("y").json["errorMessage"] == "bad y"


@pytest.mark.parametrize(
    ("handler", "kind", "words"),
    [
        ("demo.Nobody::handle", "java.lang.ClassNotFoundException", "Class not found: demo.Nobody"),
        ("demo.App::nothing", "", "No public method named nothing with appropriate method signature"),
        ("demo.App$Broken::handle", "java.lang.ExceptionInInitializerError", ""),
    ],
)
@one_java
def test_what_cannot_be_loaded_is_told(
    node: Node, runtime: str, classes: Files, handler: str, kind: str, words: str
) -> None:
    answer = node.deploy(classes, runtime, handler, **MEMORY).invoke({})
    assert answer.error == "Unhandled"
    assert kind in answer.payload.decode()
    assert words in answer.json.get("errorMessage", "")


@one_java
def test_jars_of_the_package_are_on_the_class_path(node: Node, runtime: str, classes: Files, tmp_path: Path) -> None:
    jar: dict[str, Any] = {"lib/app.jar": zipped(classes, tmp_path)}
    assert node.deploy(jar, runtime, "demo.App::sum", **MEMORY).invoke({"id": "a", "counts": [4]}).json["total"] == 4


def zipped(classes: Files, folder: Path) -> bytes:
    import zipfile

    with zipfile.ZipFile(folder / "app.jar", "w") as jar:
        for name, content in classes.items():
            jar.writestr(name, content)
    return (folder / "app.jar").read_bytes()


@one_java
def test_without_isolation_it_runs_as_well(plain_node: Node, runtime: str, classes: Files) -> None:
    assert (
        plain_node.deploy(classes, runtime, "demo.App::sum", **MEMORY).invoke({"id": "a", "counts": [1]}).json["total"] == 1
    )
