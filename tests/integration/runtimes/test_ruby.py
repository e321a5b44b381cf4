"""The Ruby client on whichever Ruby is here: the version a definition asks for is not checked in this file."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from functory.runtimes.catalog import LANG, RUNTIME
from functory.runtimes.definitions import load_all
from functory.runtimes.packs import make_own_pack
from functory.runtimes.port import ReadyRuntime, RuntimeMount
from tests.support.runtime_api import RuntimeApi, running

DEFINITION = load_all()["ruby3.3"]


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> ReadyRuntime:
    ruby = shutil.which("ruby")
    if ruby is None:
        pytest.skip("no Ruby is installed")
    root = tmp_path_factory.mktemp("ruby")
    (root / "lang/bin").mkdir(parents=True)
    (root / "lang/bin/ruby").symlink_to(ruby)
    mounts = (RuntimeMount(root / "lang", LANG), RuntimeMount(make_own_pack(DEFINITION, root), RUNTIME))
    return ReadyRuntime(DEFINITION.id, "", DEFINITION.argv, DEFINITION.env, mounts)


def write(folder: Path, code: str, name: str = "app.rb") -> None:
    file = folder / "task" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(code)


@pytest.fixture
def call(tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime) -> Any:
    """Run one event through ``code``; what was posted, and the output."""

    def run(code: str, event: Any = None, handler: str = "app.handler", **env: str) -> Any:
        write(tmp_path, code)
        with running(ready, api, tmp_path, handler, env=env) as process:
            api.send({} if event is None else event)
            post = api.post()
            process.popen.terminate()
            return post, process.output()

    return run


def test_event_and_answer_are_json_and_the_context_has_every_field(call: Any) -> None:
    code = """
def handler(event:, context:)
  fields = %i[function_name function_version invoked_function_arn memory_limit_in_mb aws_request_id
              log_group_name log_stream_name deadline_ms identity client_context tenant_id]
  { event: event, remaining: context.get_remaining_time_in_millis, trace: ENV['_X_AMZN_TRACE_ID'],
    context: fields.to_h { |name| [name, context.send(name)] } }
end
"""
    post, _ = call(code, {"a": [1, "ü", None]})
    assert post.kind == "response"
    assert post.request_id == "request-1"
    assert post.json["event"] == {"a": [1, "ü", None]}
    assert 0 < post.json["remaining"] <= 3000
    context = post.json["context"]
    assert (context["function_name"], context["memory_limit_in_mb"]) == ("probe", "256")
    assert context["aws_request_id"] == "request-1"
    assert context["identity"] is None


def test_class_methods_of_modules_and_files_in_folders(tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime) -> None:
    write(tmp_path, "module A; class B; def self.run(event:, context:) = { x: event }; end; end", "lib/deep.rb")
    with running(ready, api, tmp_path, "lib/deep.A::B.run"):
        for number in (1, 2):
            api.send(number, f"request-{number}")
            post = api.post()
            assert (post.request_id, post.json) == (f"request-{number}", {"x": number})


def test_an_error_is_told_and_the_next_event_is_answered(tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime) -> None:
    write(
        tmp_path,
        "class Odd < StandardError; end\ndef handler(event:, context:)\n  raise Odd, 'no' if event == 1\n  event\nend\n",
    )
    with running(ready, api, tmp_path, "app.handler") as process:
        api.send(1)
        failed = api.post()
        api.send(2, "request-2")
        assert api.post().json == 2
        process.popen.terminate()
        output = process.output()
    assert failed.kind == "error"
    assert failed.json["errorMessage"] == "no"
    assert failed.json["errorType"] == "Function<Odd>"
    assert failed.json["stackTrace"][0].endswith(":3:in `handler'") or ":3:in" in failed.json["stackTrace"][0]
    assert not [line for line in failed.json["stackTrace"] if "runtime.rb" in line]
    assert failed.headers["Lambda-Runtime-Function-Error-Type"] == "Function<Odd>"
    assert "Error raised from handler method" in output
    assert '"errorType": "Function<Odd>"' in output


@pytest.mark.parametrize(
    ("code", "kind"), [("nothing_of_that_name", "NameError"), ("nil.x", "NoMethodError"), ("exit 3", "SystemExit")]
)
def test_after_a_critical_error_the_process_ends(
    tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime, code: str, kind: str
) -> None:
    write(tmp_path, f"def handler(event:, context:)\n  {code}\nend\n")
    with running(ready, api, tmp_path, "app.handler") as process:
        api.send({})
        assert api.post().json["errorType"] == f"Function<{kind}>"
        assert process.popen.wait(10) == 1


@pytest.mark.parametrize(
    ("code", "handler", "kind"),
    [
        ("def other; end", "absent.handler", "Init<LoadError>"),
        ("raise 'at start'", "app.handler", "Init<RuntimeError>"),
        ("def broken(", "app.handler", "Init<SyntaxError>"),
        ("def other; end", "app.No::Where.handler", "Init<NameError>"),
        ("def other; end", "handler", "Init<ArgumentError>"),
    ],
)
def test_what_cannot_be_loaded_fails_the_init(
    tmp_path: Path, api: RuntimeApi, ready: ReadyRuntime, code: str, handler: str, kind: str
) -> None:
    write(tmp_path, code)
    with running(ready, api, tmp_path, handler) as process:
        post = api.post()
        assert (post.kind, post.json["errorType"]) == ("init/error", kind)
        assert process.popen.wait(10) == 1
        assert "Init error when loading handler" in process.output()


def test_loggers_carry_the_request_id(call: Any) -> None:
    code = """
require 'logger'
LOGGER = Logger.new($stdout)
def handler(event:, context:)
  LOGGER.info('seen')
  puts 'plain'
  true
end
"""
    _, output = call(code)
    assert re.search(r"^I, \[\d{4}-\d\d-\d\dT[\d:.]+ #\d+\]  INFO request-1 -- : seen$", output, re.MULTILINE)
    assert "plain\n" in output
    _, output = call(code, AWS_LAMBDA_LOG_FORMAT="JSON")
    assert '"level":"INFO","message":"seen","requestId":"request-1"' in output


def test_gems_and_libraries_of_code_and_layers_are_found(tmp_path: Path, call: Any) -> None:
    write(tmp_path, "OWN = 'code'", "helper.rb")
    library = tmp_path / "opt/ruby/lib/shared.rb"
    library.parent.mkdir(parents=True)
    library.write_text("SHARED = 'layer'")
    post, _ = call("require 'helper'\nrequire 'shared'\ndef handler(event:, context:) = [OWN, SHARED, Gem.path.first]")
    assert post.json[:2] == ["code", "layer"]
    assert post.json[2].startswith(str(tmp_path))


def test_an_io_answer_is_sent_as_it_is(call: Any) -> None:
    post, _ = call("def handler(event:, context:) = StringIO.new('raw')")
    assert (post.body, post.headers["Content-Type"]) == (b"raw", "application/unknown")
