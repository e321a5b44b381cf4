from __future__ import annotations

import dataclasses
import json
import shlex
from pathlib import Path

import pytest

from functory.runtimes.definitions import load_all
from functory.runtimes.interpreters import Interpreter, Places, search

PYTHON = load_all()["python3.12"]
NODE = load_all()["nodejs22.x"]
JAVA = load_all()["java17"]


def places(root: Path, *path: Path) -> Places:
    return Places(
        installed=root / "installed",
        path=path,
        pyenv=root / "pyenv",
        uv=root / "uv",
        nvm=root / "nvm",
        home=root / "home",
    )


def program(file: Path, output: str) -> Path:
    """An executable that prints ``output`` whatever it is asked."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\necho {shlex.quote(output)}\n")
    file.chmod(0o755)
    return file


def python(prefix: Path, exact: str = "3.12.4", *, base: Path | None = None, level: str = "final", abi: str = "") -> Path:
    """A fake CPython whose base prefix is ``base``."""
    answer = json.dumps([exact, str(base or prefix), "cpython", level, abi])
    library = prefix / "lib/python3.12/os.py"
    library.parent.mkdir(parents=True, exist_ok=True)
    library.touch()
    return program(prefix / "bin/python3.12", answer)


def java(home: Path, exact: str = "17.0.9", machine: str = "OpenJDK 64-Bit Server VM") -> Path:
    """A fake JDK; returns its home."""
    major = exact.split(".")[1] if exact.startswith("1.") else exact.split(".", maxsplit=1)[0]
    specification = f"1.{major}" if major == "8" else major
    facts = {
        "java.home": home,
        "java.specification.version": specification,
        "java.version": exact,
        "java.vm.name": machine,
    }
    program(home / "bin/java", "\n".join(f"    {name} = {value}" for name, value in facts.items()))
    return home


def test_a_java_is_taken_by_its_major_version(tmp_path: Path) -> None:
    jvms = tmp_path / "jvms"
    java(jvms / "java-17-openjdk", "21.0.1")  # the name proves nothing
    home = java(jvms / "temurin-17")
    looked = search(JAVA, dataclasses.replace(places(tmp_path), jvms=(jvms,)))
    assert looked.found == Interpreter("17.0.9", home / "bin/java", home)


def test_a_fetched_java_serves_every_runtime_of_its_version(tmp_path: Path) -> None:
    home = java(tmp_path / "installed/java17.al2023-17.0.9.2")
    java(tmp_path / "installed/java11-11.0.13.1", "11.0.13")
    found = [search(load_all()[name], places(tmp_path)).found for name in ("java17", "java17.al2023")]
    assert found == [Interpreter("17.0.9", home / "bin/java", home)] * 2


def test_a_java_8_tells_its_version_in_the_old_way(tmp_path: Path) -> None:
    home = java(tmp_path / "path", "1.8.0_412")
    looked = search(load_all()["java8.al2"], places(tmp_path, home / "bin"))
    assert looked.found is not None
    assert looked.found.version == "1.8.0_412"


def test_a_java_that_does_not_know_hotspots_options_is_not_taken(tmp_path: Path) -> None:
    home = java(tmp_path / "path", machine="Eclipse OpenJ9 VM")
    looked = search(JAVA, places(tmp_path, home / "bin"))
    assert looked.rejected == (f"{home}/bin/java is Eclipse OpenJ9 VM, not HotSpot",)


def test_a_ruby_is_taken_by_its_minor_version(tmp_path: Path) -> None:
    definition = load_all()["ruby3.3"]
    prefix = tmp_path / "path"
    answer = [str(prefix), str(prefix / "bin/ruby")]
    program(prefix / "bin/ruby", "\n".join(["3.3.6", "ruby", *answer]))
    assert search(definition, places(tmp_path, prefix / "bin")).found == Interpreter("3.3.6", prefix / "bin/ruby", prefix)
    program(prefix / "bin/ruby", "\n".join(["3.1.2", "ruby", *answer]))
    assert search(definition, places(tmp_path, prefix / "bin")).rejected == (f"{prefix}/bin/ruby is Ruby 3.1.2",)
    program(prefix / "bin/ruby", "\n".join(["3.3.6", "jruby", *answer]))
    assert "is jruby 3.3.6" in search(definition, places(tmp_path, prefix / "bin")).rejected[0]


def test_of_dotnet_the_newest_runtime_of_the_major_version_is_taken(tmp_path: Path) -> None:
    root = tmp_path / "dotnet"
    shared = f"[{root}/shared/Microsoft.NETCore.App]"
    lines = [f"Microsoft.NETCore.App {version} {shared}" for version in ("8.0.9", "8.0.11", "9.0.1")]
    program(root / "dotnet", "\n".join(["Microsoft.AspNetCore.App 10.0.0 [/x]", *lines]))
    here = dataclasses.replace(places(tmp_path), dotnets=(root,))
    assert search(load_all()["dotnet8"], here).found == Interpreter("8.0.11", root / "dotnet", root)
    assert search(load_all()["dotnet10"], here).rejected == (f"{root}/dotnet has .NET 8.0.9, 8.0.11, 9.0.1",)


def test_a_python_is_taken_by_what_it_says_of_itself(tmp_path: Path) -> None:
    python(tmp_path / "here")
    found = search(PYTHON, places(tmp_path, tmp_path / "here/bin")).found
    assert found == Interpreter("3.12.4", tmp_path / "here/bin/python3.12", tmp_path / "here")


def test_another_version_under_the_right_name_is_not_taken(tmp_path: Path) -> None:
    python(tmp_path / "here", "3.11.9")
    looked = search(PYTHON, places(tmp_path, tmp_path / "here/bin"))
    assert looked.found is None
    assert looked.rejected == (f"{tmp_path}/here/bin/python3.12 is Python 3.11.9",)


def test_of_a_virtual_environment_the_base_is_taken(tmp_path: Path) -> None:
    python(tmp_path / "base")
    python(tmp_path / "venv", base=tmp_path / "base")
    found = search(PYTHON, places(tmp_path, tmp_path / "venv/bin")).found
    assert found is not None
    assert found.prefix == tmp_path / "base"


def test_an_installed_python_comes_first_then_path_then_pyenv(tmp_path: Path) -> None:
    python(tmp_path / "pyenv/3.12.9", "3.12.9")
    assert version(tmp_path) == "3.12.9"
    python(tmp_path / "path", "3.12.1")
    assert version(tmp_path) == "3.12.1"
    python(tmp_path / "installed/python3.12-3.12.2", "3.12.2")
    assert version(tmp_path) == "3.12.2"


def version(root: Path) -> str:
    found = search(PYTHON, places(root, root / "path/bin")).found
    return found.version if found else ""


def test_the_newest_of_several_is_taken_by_number(tmp_path: Path) -> None:
    for exact in ("3.12.9", "3.12.10", "3.12.2"):
        python(tmp_path / "pyenv" / exact, exact)
    assert version(tmp_path) == "3.12.10"


def test_a_python_of_uv_is_found(tmp_path: Path) -> None:
    python(tmp_path / "uv/cpython-3.12.7-linux-x86_64-gnu", "3.12.7")
    assert version(tmp_path) == "3.12.7"


def test_a_preview_says_so(tmp_path: Path) -> None:
    python(tmp_path / "path", "3.12.0", level="beta")
    assert version(tmp_path) == "3.12.0beta"


def test_a_system_python_needs_no_mount_of_its_prefix(tmp_path: Path) -> None:
    system = next((runtime for runtime in load_all().values() if Path(f"/usr/bin/{runtime.id}").exists()), None)
    if system is None:
        pytest.skip("no /usr/bin/python3.x of a Lambda version on this machine")
    answer = json.dumps([f"{system.version}.4", "/usr", "cpython", "final", ""])
    program(tmp_path / "path" / system.id, answer)
    found = search(system, places(tmp_path, tmp_path / "path")).found
    assert found == Interpreter(f"{system.version}.4", Path(f"/usr/bin/{system.id}"), None)


@pytest.mark.parametrize(("abi", "implementation"), [("t", "cpython"), ("d", "cpython"), ("", "pypy")])
def test_builds_that_lambda_does_not_have_are_not_taken(tmp_path: Path, abi: str, implementation: str) -> None:
    program(tmp_path / "path/bin/python3.12", json.dumps(["3.12.4", str(tmp_path), implementation, "final", abi]))
    looked = search(PYTHON, places(tmp_path, tmp_path / "path/bin"))
    assert looked.found is None
    assert "not a plain CPython" in looked.rejected[0]


def test_what_does_not_run_is_not_taken(tmp_path: Path) -> None:
    program(tmp_path / "path/bin/python3.12", "pyenv: python3.12: command not found")
    looked = search(PYTHON, places(tmp_path, tmp_path / "path/bin"))
    assert looked.rejected == (f"{tmp_path}/path/bin/python3.12 does not run",)


def test_a_prefix_that_others_cannot_read_is_refused_with_the_remedy(tmp_path: Path) -> None:
    python(tmp_path / "path")
    (tmp_path / "path/lib").chmod(0o700)
    looked = search(PYTHON, places(tmp_path, tmp_path / "path/bin"))
    assert looked.found is None
    assert f"chmod -R o+rX {tmp_path}/path" in looked.rejected[0]


def test_permissions_above_the_prefix_do_not_matter(tmp_path: Path) -> None:
    python(tmp_path / "closed/path")
    (tmp_path / "closed").chmod(0o700)
    assert search(PYTHON, places(tmp_path, tmp_path / "closed/path/bin")).found is not None


def test_a_prefix_that_is_somebodys_home_is_refused(tmp_path: Path) -> None:
    python(tmp_path / "home/.local")
    looked = search(PYTHON, places(tmp_path, tmp_path / "home/.local/bin"))
    assert looked.found is None
    assert "holds more than the interpreter" in looked.rejected[0]


def test_node_is_taken_by_its_major_version(tmp_path: Path) -> None:
    program(tmp_path / "a/node", "v20.1.0")
    program(tmp_path / "b/node", "v22.3.0")
    looked = search(NODE, places(tmp_path, tmp_path / "a", tmp_path / "b"))
    assert looked.found == Interpreter("22.3.0", tmp_path / "b/node", None)


def test_node_of_nvm_is_mounted_whole(tmp_path: Path) -> None:
    program(tmp_path / "nvm/v22.9.0/bin/node", "v22.9.0")
    program(tmp_path / "nvm/v22.10.0/bin/node", "v22.10.0")
    found = search(NODE, places(tmp_path)).found
    assert found == Interpreter("22.10.0", tmp_path / "nvm/v22.10.0/bin/node", tmp_path / "nvm/v22.10.0")


def test_the_usual_places_follow_the_environment() -> None:
    environ = {
        "HOME": "/h",
        "PATH": "/h/.pyenv/shims:/x/bin:relative",
        "PYENV_ROOT": "/p",
        "NVM_DIR": "/n",
        "XDG_DATA_HOME": "/d",
    }
    there = Places.of(environ, Path("/i"))
    assert there.path == (Path("/x/bin"), Path("/usr/local/bin"), Path("/usr/bin"))
    assert (there.pyenv, there.uv, there.nvm) == (Path("/p/versions"), Path("/d/uv/python"), Path("/n/versions/node"))
