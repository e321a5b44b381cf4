"""The same small function in every language that functions are written in, and a library for a layer of each.

An event without ``do`` is answered with ``{"hello": <its name>}``. ``fail`` raises an error whose message is ``no``,
``sleep`` takes half a minute, ``layer`` answers what the layer's library says, ``wrapped`` what the wrapper has set.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from functory.runtimes.port import ReadyRuntime
from tests.support import dotnet
from tests.support.running_node import Files

PYTHON = """
import os, time
def handler(event, context):
    do = event.get("do")
    if do == "fail":
        raise ValueError("no")
    if do == "sleep":
        time.sleep(30)
    if do == "layer":
        import shared
        return {"layer": shared.name}
    if do == "wrapped":
        return {"wrapped": os.environ.get("WRAPPED")}
    return {"hello": event["name"]}
"""
NODEJS = """
exports.handler = async (event) => {
  switch (event.do) {
    case 'fail': throw new RangeError('no');
    case 'sleep': await new Promise((done) => setTimeout(done, 30000));
    case 'layer': return { layer: require('shared').name };
    case 'wrapped': return { wrapped: process.env.WRAPPED };
  }
  return { hello: event.name };
};
"""
RUBY = """
def handler(event:, context:)
  case event['do']
  when 'fail' then raise ArgumentError, 'no'
  when 'sleep' then sleep 30
  when 'layer'
    require 'shared'
    { layer: Shared::NAME }
  when 'wrapped' then { wrapped: ENV['WRAPPED'] }
  else { hello: event['name'] }
  end
end
"""
JAVA = """
package demo;
import java.util.*;
public class App {
    public Map<String, Object> handle(Map<String, Object> event) throws Exception {
        String does = String.valueOf(event.get("do"));
        switch (does) {
            case "fail": throw new IllegalStateException("no");
            case "sleep": Thread.sleep(30000);
            case "layer":
                return Collections.singletonMap("layer", Class.forName("shared.Shared").getField("NAME").get(null));
            case "wrapped": return Collections.singletonMap("wrapped", System.getenv("WRAPPED"));
            default: return Collections.singletonMap("hello", event.get("name"));
        }
    }
}
"""
JAVA_LIBRARY = 'package shared; public class Shared { public static final String NAME = "layer"; }'
DOTNET = """
using System; using System.Collections.Generic; using System.IO; using System.Text.Json; using System.Threading;
namespace Demo {
  public class App {
    static Stream Told(string name, string value) {
      return new MemoryStream(JsonSerializer.SerializeToUtf8Bytes<Dictionary<string, string>>(
        new Dictionary<string, string> { { name, value } }, null));
    }
    static string Layer() { return Shared.Library.Name(); }
    public Stream Handle(Stream body) {
      var copy = new MemoryStream(); body.CopyTo(copy);
      var said = JsonSerializer.Deserialize<Dictionary<string, string>>(copy.ToArray(), null);
      string does; said.TryGetValue("do", out does);
      switch (does) {
        case "fail": throw new InvalidOperationException("no");
        case "sleep": Thread.Sleep(30000); break;
        case "layer": return Told("layer", Layer());
        case "wrapped": return Told("wrapped", Environment.GetEnvironmentVariable("WRAPPED"));
      }
      return Told("hello", said["name"]);
    }
  }
}
"""
DOTNET_LIBRARY = 'namespace Shared { public class Library { public static string Name() { return "layer"; } } }'
DOTNET_STORE = "dotnetcore/store/x64/{}/shared/1.0.0/lib/Shared.dll"
DOTNET_DEPENDENCIES = """{
  "runtimeTarget": {"name": ".NETCoreApp,Version=v3.1", "signature": ""}, "compilationOptions": {},
  "targets": {".NETCoreApp,Version=v3.1": {
    "Demo/1.0.0": {"dependencies": {"shared": "1.0.0"}, "runtime": {"Demo.dll": {}}},
    "shared/1.0.0": {"runtime": {"lib/Shared.dll": {"assemblyVersion": "0.0.0.0", "fileVersion": "0.0.0.0"}}}}},
  "libraries": {"Demo/1.0.0": {"type": "project", "serviceable": false, "sha512": ""},
    "shared/1.0.0": {"type": "package", "serviceable": true, "sha512": "sha512-", "path": "shared/1.0.0"}}
}"""


@dataclass(frozen=True)
class Sample:
    """A function in one language.

    Attributes:
        files: its package.
        handler: where it starts.
        layer: files of a layer with its library.
        error: what ``fail`` is called.
        environ: variables it needs here.
    """

    files: Files
    handler: str
    layer: Files
    error: str
    environ: Mapping[str, str] = field(default_factory=dict)


def _python(_: ReadyRuntime, __: Path) -> Sample:
    return Sample({"app.py": PYTHON}, "app.handler", {"python/shared.py": "name = 'layer'"}, "ValueError")


def _nodejs(_: ReadyRuntime, __: Path) -> Sample:
    library = {"nodejs/node_modules/shared/index.js": "exports.name = 'layer'"}
    return Sample({"app.js": NODEJS}, "app.handler", library, "RangeError")


def _ruby(_: ReadyRuntime, __: Path) -> Sample:
    library = {"ruby/lib/shared.rb": "module Shared\n  NAME = 'layer'\nend"}
    return Sample({"app.rb": RUBY}, "app.handler", library, "Function<ArgumentError>")


def _java(ready: ReadyRuntime, folder: Path) -> Sample:
    compiler = shutil.which("javac")
    if compiler is None:
        pytest.skip("needs javac")
    release = "8" if ready.id.startswith("java8") else "11"
    for name, source in (("demo/App.java", JAVA), ("shared/Shared.java", JAVA_LIBRARY)):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(source)
        argv = [compiler, "-Xlint:-options", "--release", release, "-d", str(folder / "out" / name[:4]), str(folder / name)]
        subprocess.run(argv, check=True, capture_output=True)
    jar = io.BytesIO()
    with zipfile.ZipFile(jar, "w") as archive:
        archive.write(folder / "out/shar/shared/Shared.class", "shared/Shared.class")
    files = {"demo/App.class": (folder / "out/demo/demo/App.class").read_bytes()}
    library = {"java/lib/shared.jar": jar.getvalue()}
    return Sample(files, "demo.App::handle", library, "java.lang.IllegalStateException")


def _dotnet(ready: ReadyRuntime, folder: Path) -> Sample:
    where = ready.mounts[0].source
    library = dotnet.compile_assembly(where, folder, "Shared", DOTNET_LIBRARY)
    app = dotnet.compile_assembly(where, folder, "Demo", DOTNET, [library])
    framework = dotnet.moniker(where)
    files: dict[str, str | bytes] = {
        "Demo.dll": app.read_bytes(),
        "Demo.deps.json": DOTNET_DEPENDENCIES,
        "Demo.runtimeconfig.json": dotnet.runtime_config(where),
    }
    environ = {**dotnet.INVARIANT, "DOTNET_SHARED_STORE": "/opt/dotnetcore/store/"}
    layer = {DOTNET_STORE.format(framework): library.read_bytes()}
    return Sample(files, "Demo::Demo.App::Handle", layer, "InvalidOperationException", environ)


SAMPLES: Mapping[str, Callable[[ReadyRuntime, Path], Sample]] = {
    "python": _python,
    "nodejs": _nodejs,
    "ruby": _ruby,
    "java": _java,
    "dotnet": _dotnet,
}
"""By language: makes the sample for a runtime in an empty folder; skips where a compiler is missing."""
