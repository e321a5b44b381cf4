"""The .NET client on the .NET that serves ``dotnet8`` here: 8, or 3.1 as a stand-in, the oldest it runs on.

`scripts/stand_ins.sh` fetches 3.1 from PyPI; Debian's ``mono-mcs`` compiles the functions.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functory.runtimes.catalog import Catalog
from functory.runtimes.port import ReadyRuntime, RuntimeMissing
from tests.support.dotnet import INVARIANT, compile_assembly, runtime_config
from tests.support.runtime_api import Process, RuntimeApi, running

CORE = """
using System; using System.Collections.Generic; using System.IO;
namespace Amazon.Lambda.Core {
  public interface ILambdaLogger {
    void Log(string message); void LogLine(string message); void LogInformation(string message);
  }
  public interface ICognitoIdentity { string IdentityId { get; } string IdentityPoolId { get; } }
  public interface IClientContext { IDictionary<string, string> Custom { get; } }
  public interface ILambdaContext {
    string AwsRequestId { get; } IClientContext ClientContext { get; } string FunctionName { get; }
    string FunctionVersion { get; } ICognitoIdentity Identity { get; } string InvokedFunctionArn { get; }
    ILambdaLogger Logger { get; } string LogGroupName { get; } string LogStreamName { get; }
    int MemoryLimitInMB { get; } TimeSpan RemainingTime { get; }
  }
  public interface ILambdaSerializer { T Deserialize<T>(Stream body); void Serialize<T>(T answer, Stream body); }
  public class LambdaSerializerAttribute : Attribute {
    public Type SerializerType { get; set; }
    public LambdaSerializerAttribute(Type type) { SerializerType = type; }
  }
}
"""
"""The contract of Amazon.Lambda.Core as far as these functions use it; a real one comes from NuGet with the function."""
APP = """
using System; using System.IO; using System.Text.Json; using System.Threading.Tasks; using Amazon.Lambda.Core;
[assembly: LambdaSerializer(typeof(Demo.Json))]
namespace Demo {
  public class Json : ILambdaSerializer {
    public T Deserialize<T>(Stream body) {
      var copy = new MemoryStream(); body.CopyTo(copy); return JsonSerializer.Deserialize<T>(copy.ToArray(), null);
    }
    public void Serialize<T>(T answer, Stream body) {
      var bytes = JsonSerializer.SerializeToUtf8Bytes<T>(answer, null); body.Write(bytes, 0, bytes.Length);
    }
  }
  public class Order { public string Id { get; set; } public int[] Counts { get; set; } }
  public class Total { public string Id { get; set; } public int Sum { get; set; } }
  public class Seen {
    public string Request { get; set; } public string Function { get; set; } public int Memory { get; set; }
    public double Remaining { get; set; } public string Custom { get; set; } public string Identity { get; set; }
    public string Trace { get; set; } public string Stream { get; set; }
  }
  public class App {
    public Total Sum(Order order) {
      int sum = 0; foreach (int n in order.Counts) sum += n;
      return new Total { Id = order.Id, Sum = sum };
    }
    public async Task<Total> Later(Order order, ILambdaContext context) { await Task.Delay(1); return Sum(order); }
    public Stream Raw(Stream body) { var copy = new MemoryStream(); body.CopyTo(copy); copy.Position = 0; return copy; }
    public static Task Nothing() { return Task.CompletedTask; }
    public Seen Look(ILambdaContext context) {
      context.Logger.LogLine("a line"); context.Logger.LogInformation("with level"); Console.WriteLine("from console");
      return new Seen { Request = context.AwsRequestId, Function = context.FunctionName, Memory = context.MemoryLimitInMB,
        Remaining = context.RemainingTime.TotalMilliseconds, Custom = context.ClientContext.Custom["k"],
        Identity = context.Identity.IdentityId, Trace = Environment.GetEnvironmentVariable("_X_AMZN_TRACE_ID"),
        Stream = context.LogStreamName };
    }
    public string Fail(string text) {
      try { throw new IOException("below"); } catch (IOException e) { throw new ArgumentException("bad " + text, e); }
    }
    public async Task<string> FailLater(string text) { await Task.Delay(1); throw new InvalidOperationException(text); }
    public void Twice(string a) { } public void Twice(int a) { }
  }
  public class Broken {
    public Broken() { throw new InvalidOperationException("no start"); }
    public string Run(string a) { return a; }
  }
}
"""


@pytest.fixture(scope="module")
def ready(catalog: Catalog) -> ReadyRuntime:
    try:
        return asyncio.run(catalog.resolve("dotnet8"))
    except RuntimeMissing as missing:
        pytest.skip(f"{missing} (for tests: scripts/stand_ins.sh)")


@pytest.fixture(scope="module")
def package(ready: ReadyRuntime, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`APP` and its contract, compiled, with a configuration that asks for the .NET that is here."""
    folder = tmp_path_factory.mktemp("package")
    dotnet = ready.mounts[0].source
    core = compile_assembly(dotnet, folder, "Amazon.Lambda.Core", CORE)
    compile_assembly(dotnet, folder, "Demo", APP, [core])
    (folder / "Demo.runtimeconfig.json").write_text(runtime_config(dotnet))
    return folder


@pytest.fixture
def start(tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime, package: Path) -> Iterator[Any]:
    """Start a handler of the package."""
    with contextlib.ExitStack() as stack:

        def run(handler: str) -> Process:
            (tmp_path / "task").symlink_to(package)
            return stack.enter_context(running(ready, api, tmp_path, handler, env=INVARIANT))

        yield run


@pytest.mark.parametrize("method", ["Sum", "Later"])
def test_classes_of_the_function_go_through_its_serializer(start: Any, api: RuntimeApi, method: str) -> None:
    start(f"Demo::Demo.App::{method}")
    for number in (1, 2):
        api.send({"Id": "ü", "Counts": [1, 2, number]}, f"request-{number}")
        post = api.post()
        assert (post.kind, post.request_id, post.json) == ("response", f"request-{number}", {"Id": "ü", "Sum": 3 + number})


def test_streams_are_passed_as_they_are(start: Any, api: RuntimeApi) -> None:
    start("Demo::Demo.App::Raw")
    api.send(b'{"a":  1}')
    assert api.post().body == b'{"a":  1}'


def test_a_task_without_a_result_answers_nothing(start: Any, api: RuntimeApi) -> None:
    start("Demo::Demo.App::Nothing")
    api.send({})
    assert (api.post().body, api.posts.qsize()) == (b"", 0)


def test_the_context_has_the_contract_of_the_functions_own_library(start: Any, api: RuntimeApi) -> None:
    process = start("Demo::Demo.App::Look")
    headers = {
        "client_context": '{"custom": {"k": "v"}, "env": {}, "client": {}}',
        "cognito_identity": '{"cognitoIdentityId": "me", "cognitoIdentityPoolId": "pool"}',
        "trace_id": "Root=1-2-3",
    }
    api.send({}, **headers)
    seen = api.post().json
    assert 0 < seen.pop("Remaining") <= 3000
    assert seen == {
        "Request": "request-1", "Function": "probe", "Memory": 256, "Custom": "v", "Identity": "me", "Trace": "Root=1-2-3",
        "Stream": "2026/11/23/[$LATEST]0123456789abcdef0123456789abcdef",
    }  # fmt: skip
    process.popen.terminate()
    output = process.output()
    assert "a line\n" in output
    assert "\trequest-1\tinfo\twith level\n" in output
    assert "from console\n" in output


def test_an_exception_is_told_with_trace_and_cause_and_the_next_event_is_answered(start: Any, api: RuntimeApi) -> None:
    process = start("Demo::Demo.App::Fail")
    for text in ("x", "y"):
        api.send(text)
        post = api.post()
        assert post.kind == "error"
        assert post.json["errorType"] == "ArgumentException"
        assert post.json["errorMessage"] == f"bad {text}"
        assert post.json["stackTrace"][0].startswith("at Demo.App.Fail(String text)")
        assert post.json["cause"]["errorType"] == "IOException"
        assert post.headers["Lambda-Runtime-Function-Error-Type"] == "ArgumentException"
    process.popen.terminate()
    assert "System.ArgumentException: bad x" in process.output()


def test_an_exception_of_a_task_is_told_by_its_own_name(start: Any, api: RuntimeApi) -> None:
    start("Demo::Demo.App::FailLater")
    api.send("late")
    post = api.post()
    assert (post.json["errorType"], post.json["errorMessage"]) == ("InvalidOperationException", "late")


@pytest.mark.parametrize(
    ("handler", "kind", "words"),
    [
        ("Demo::Demo.App", "LambdaValidationException", "The valid format is 'ASSEMBLY::TYPE::METHOD'"),
        ("Nobody::Demo.App::Sum", "FileNotFoundException", "Could not find the specified handler assembly"),
        ("Demo::Demo.Nobody::Sum", "LambdaValidationException", "Unable to load type 'Demo.Nobody' from assembly 'Demo'"),
        ("Demo::Demo.App::Nobody", "LambdaValidationException", "Unable to find method 'Nobody' in type 'Demo.App'"),
        ("Demo::Demo.App::Twice", "LambdaValidationException", "several overloads"),
        ("Demo::Demo.Broken::Run", "InvalidOperationException", "no start"),
    ],
)
def test_what_cannot_be_loaded_fails_the_init(
    start: Any, api: RuntimeApi, package: Path, handler: str, kind: str, words: str
) -> None:
    (package / "Nobody.runtimeconfig.json").write_text((package / "Demo.runtimeconfig.json").read_text())
    process = start(handler)
    post = api.post()
    assert (post.kind, post.json["errorType"]) == ("init/error", kind)
    assert words in post.json["errorMessage"]
    assert process.popen.wait(20) == 1
