from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from functory.runtimes.definitions import FOLDER, load_all, machine, parse

DEFINITIONS = load_all()
PATHS = {name: f"/var/{name}" for name in ("task", "runtime", "lang")} | {"opt": "/opt", "tmp": "/tmp"}


def shown(runtime: str) -> dict[str, str]:
    """The variables of a runtime as seen inside a sandbox."""
    return {name: value.format(**PATHS) for name, value in DEFINITIONS[runtime].env.items()}


MANAGED = {
    "LANG": "en_US.UTF-8",
    "TZ": ":UTC",
    "LAMBDA_TASK_ROOT": "/var/task",
    "LAMBDA_RUNTIME_DIR": "/var/runtime",
    "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
    "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
}
SHELL = {"PWD": "/var/task", "SHLVL": "0"}


def test_every_file_is_named_after_its_identifier() -> None:
    assert {file.stem for file in FOLDER.glob("*.toml")} == set(DEFINITIONS)


def test_the_identifiers_are_in_the_order_people_expect() -> None:
    assert list(DEFINITIONS) == [
        "dotnet8",
        "dotnet10",
        *("java8.al2", "java8.al2023", "java11", "java11.al2023", "java17", "java17.al2023", "java21", "java25"),
        *(f"nodejs{major}.x" for major in (18, 20, 22, 24, 26)),
        "provided.al2",
        "provided.al2023",
        *(f"python3.{minor}" for minor in range(9, 16)),
        *("ruby3.2", "ruby3.3", "ruby3.4", "ruby4.0"),
    ]


@pytest.mark.parametrize("minor", range(9, 16))
def test_python_gets_awss_variables(minor: int) -> None:
    expected = MANAGED | SHELL | {"AWS_EXECUTION_ENV": f"AWS_Lambda_python3.{minor}"}
    if minor >= 12:
        expected["LC_CTYPE"] = "C.UTF-8"
    assert shown(f"python3.{minor}") == expected


@pytest.mark.parametrize("major", [18, 20, 22, 24, 26])
def test_node_gets_awss_variables(major: int) -> None:
    modules = [f"/opt/nodejs/node{major}/node_modules", "/opt/nodejs/node_modules", "/var/runtime/node_modules"]
    assert shown(f"nodejs{major}.x") == MANAGED | SHELL | {
        "AWS_EXECUTION_ENV": f"AWS_Lambda_nodejs{major}.x",
        "NODE_PATH": ":".join([*modules, "/var/runtime", "/var/task"]),
    }


@pytest.mark.parametrize("runtime", [name for name, d in DEFINITIONS.items() if d.language == "java"])
def test_java_gets_awss_variables_and_options_of_its_version(runtime: str) -> None:
    definition = DEFINITIONS[runtime]
    assert shown(runtime) == MANAGED | {"AWS_EXECUTION_ENV": f"AWS_Lambda_{runtime}"}
    features = set(definition.argv[3:])
    assert ("open-modules" in features) == (int(definition.version) >= 11)
    assert ("first-tier" in features) == (int(definition.version) >= 17)
    assert {f"com.amazonaws:aws-lambda-java-{name}" for name in ("core", "serialization")} <= set(definition.pack)


@pytest.mark.parametrize("version", ["3.2", "3.3", "3.4", "4.0"])
def test_ruby_gets_awss_variables(version: str) -> None:
    seen = shown(f"ruby{version}")
    assert seen["AWS_EXECUTION_ENV"] == f"AWS_Lambda_ruby{version}"
    assert seen["GEM_HOME"] == "/var/runtime"
    folders = [f"/var/task/vendor/bundle/ruby/{version}.0", f"/opt/ruby/gems/{version}.0", "/var/runtime"]
    assert seen["GEM_PATH"] == ":".join([*folders, f"/var/runtime/ruby/{version}.0"])
    assert seen["RUBYLIB"] == "/var/task:/var/runtime/lib:/opt/ruby/lib"
    assert seen["PATH"] == f"/var/lang/bin:{MANAGED['PATH']}"
    assert SHELL.items() <= seen.items()


@pytest.mark.parametrize("version", ["8", "10"])
def test_dotnet_gets_awss_variables(version: str) -> None:
    own = {"AWS_EXECUTION_ENV": f"AWS_Lambda_dotnet{version}", "LAMBDA_RUNTIME_NAME": f"dotnet{version}"}
    assert shown(f"dotnet{version}") == MANAGED | SHELL | own | {"DOTNET_ROOT": "/var/lang"}


def test_the_dotnet_client_was_built_from_these_sources() -> None:
    runtimes = FOLDER.parent
    sources = b"".join(file.read_bytes() for file in sorted((runtimes / "dotnet_source").glob("*.cs")))
    recorded = (runtimes / "bootstraps/dotnet/functory-lambda.sha256").read_text().strip()
    assert hashlib.sha256(sources).hexdigest() == recorded, "run scripts/build_dotnet.sh"


def test_custom_runtimes_get_awss_variables() -> None:
    assert shown("provided.al2023") == MANAGED
    assert shown("provided.al2") == MANAGED | {
        "PATH": "/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "LD_LIBRARY_PATH": "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
    }
    assert DEFINITIONS["provided.al2"].runtime_api_host == "127.0.0.1"
    assert DEFINITIONS["provided.al2023"].runtime_api_host == "169.254.100.1"


@pytest.mark.parametrize("runtime", [name for name, d in DEFINITIONS.items() if d.language == "python"])
def test_every_pin_of_a_python_pack_is_exact_and_the_sdk_is_there(runtime: str) -> None:
    pack = DEFINITIONS[runtime].pack
    assert {"awslambdaric", "boto3", "botocore", "simplejson", "snapshot-restore-py"} <= set(pack)
    assert all(version[0].isdigit() for version in pack.values())


@pytest.mark.parametrize("file", sorted(FOLDER.glob("python3.*.toml")), ids=lambda file: file.stem)
def test_every_python_that_is_fetched_is_pinned_by_its_sum(file: Path) -> None:
    document = tomllib.loads(file.read_text())
    for source in document.get("source", []):
        assert source["version"].startswith(document["version"] + ".")
        assert set(source["sha256"]) <= {"x86_64", "arm64"}
        assert all(re.fullmatch(r"[0-9a-f]{64}", sha256) for sha256 in source["sha256"].values())


def test_a_source_that_has_nothing_for_this_machine_is_none() -> None:
    source = {"registry": "maven", "package": "g:p", "version": "1", "file": "f"}
    document = {"id": "x", "language": "python", "argv": ["a"], "env": {}}
    for sums, count in (({"vax": "0"}, 0), ({"vax": "0", machine(): "1"}, 1), ({}, 1)):
        assert len(parse(document | {"source": [source | {"sha256": sums}]}).sources) == count


def test_a_definition_with_an_unknown_key_is_refused() -> None:
    document = {"id": "x", "language": "python", "argv": ["a"], "env": {}, "handler": "x"}
    with pytest.raises(msgspec.ValidationError, match="handler"):
        parse(document)
