from __future__ import annotations

import asyncio
import dataclasses
import re
from pathlib import Path

import pytest

from functory.kernel.errors import SettingsError
from functory.kernel.settings import RuntimeSettings
from functory.runtimes.catalog import Catalog
from functory.runtimes.interpreters import Places
from functory.runtimes.javascript_sdk import sdk_path
from functory.runtimes.packs import pack_path
from functory.runtimes.port import ReadyRuntime, RuntimeCatalog, RuntimeMissing, RuntimeMount
from functory.runtimes.version import runtime_version_arn
from tests.unit.runtimes.test_interpreters import java, places, program, python


def catalog(root: Path, where: Places | None = None) -> Catalog:
    made = Catalog(RuntimeSettings(dir=str(root / "runtimes")), {"HOME": str(root)})
    made.places = where or places(root, root / "path/bin")
    return made


def test_it_keeps_the_ports_promise(tmp_path: Path) -> None:
    port: RuntimeCatalog = catalog(tmp_path)
    assert port.is_known("python3.12")
    assert not port.is_known("java6")
    assert port.is_custom("provided.al2023")
    assert not port.is_custom("python3.12")
    assert not port.is_custom("java6")


def test_a_custom_runtime_is_always_ready_and_brings_its_entry_points(tmp_path: Path) -> None:
    ready = asyncio.run(catalog(tmp_path).resolve("provided.al2"))
    assert ready.entrypoints == ("{task}/bootstrap", "{opt}/bootstrap")
    assert ready.argv == ("{task}/bootstrap",)
    assert ready.mounts == ()
    assert ready.version == ""


def test_a_node_runtime_is_ready_with_its_interpreter(tmp_path: Path) -> None:
    program(tmp_path / "path/bin/node", "v22.3.0")
    made = catalog(tmp_path)
    ready = asyncio.run(made.resolve("nodejs22.x"))
    lang, runtime = ready.mounts

    assert ready.version == "22.3.0"
    assert (lang.target, runtime.target) == ("/var/lang", "/var/runtime")
    assert (lang.source / "bin/node").read_text() == (tmp_path / "path/bin/node").read_text()
    assert (runtime.source / "index.cjs").is_file()


def test_a_node_runtime_works_without_its_sdk_says_so_and_has_it_as_soon_as_it_is_there(tmp_path: Path) -> None:
    program(tmp_path / "path/bin/node", "v22.3.0")
    made = catalog(tmp_path)
    without = asyncio.run(made.resolve("nodejs22.x")).mounts[1].source
    assert not (without / "node_modules").exists()
    assert asyncio.run(made.resolve("nodejs22.x")).mounts[1].source == without
    (status,) = [row for row in asyncio.run(made.list()) if row.id == "nodejs22.x"]
    assert status.ready
    assert status.advice == "without the AWS SDK for JavaScript; get it with: functory runtimes install nodejs22.x"

    sdk = sdk_path(made.definitions["nodejs22.x"], made.folder)
    assert sdk is not None
    file = sdk / "node_modules/@aws-sdk/client-s3/index.js"
    file.parent.mkdir(parents=True)
    file.touch()
    having = asyncio.run(made.resolve("nodejs22.x")).mounts[1].source
    assert having != without
    assert (having / "node_modules/@aws-sdk/client-s3/index.js").samefile(file)
    (status,) = [row for row in asyncio.run(made.list()) if row.id == "nodejs22.x"]
    assert (status.ready, status.advice) == (True, "")


def test_a_stand_in_serves_a_runtime_and_is_called_one(tmp_path: Path) -> None:
    node = program(tmp_path / "other/node", "v20.1.0")
    settings = RuntimeSettings(dir=str(tmp_path / "runtimes"), stand_ins=(f"nodejs22.x={node}",))
    made = Catalog(settings, {"HOME": str(tmp_path)})
    assert asyncio.run(made.resolve("nodejs22.x")).version == "20.1.0"
    (status,) = [row for row in asyncio.run(made.list()) if row.id == "nodejs22.x"]
    assert (status.ready, status.version) == (True, "20.1.0")
    assert status.advice == "stands in for Node.js 22, whose version it has not: for tests only"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("nodejs22.x", "'nodejs22.x' is not runtime=/path/of/interpreter"),
        ("nodejs22.x=node", "is not runtime=/path/of/interpreter"),
        ("java6=/usr/bin/java", "is not runtime=/path/of/interpreter"),
        ("python3.12=/usr/bin/python3", "nothing can stand in for python3.12"),
        ("provided.al2023=/bin/sh", "nothing can stand in for provided.al2023"),
    ],
)
def test_a_stand_in_that_cannot_be_is_refused(tmp_path: Path, entry: str, words: str) -> None:
    with pytest.raises(SettingsError, match=f"setting runtimes.stand_ins: .*{words}"):
        Catalog(RuntimeSettings(dir=str(tmp_path), stand_ins=(entry,)), {"HOME": str(tmp_path)})


def test_a_python_runtime_needs_its_pack(tmp_path: Path) -> None:
    python(tmp_path / "path")
    made = catalog(tmp_path)
    with pytest.raises(RuntimeMissing) as missing:
        asyncio.run(made.resolve("python3.12"))
    assert str(missing.value) == (
        "Runtime python3.12 is not installed on this node. Install it with: functory runtimes install python3.12"
    )

    pack = pack_path(made.definitions["python3.12"], made.folder)
    pack.mkdir(parents=True)
    ready = asyncio.run(made.resolve("python3.12"))
    assert ready.mounts == (RuntimeMount(tmp_path / "path", "/var/lang"), RuntimeMount(pack, "/var/runtime"))


def test_a_missing_interpreter_is_named_with_the_commands_that_bring_it(tmp_path: Path) -> None:
    with pytest.raises(
        RuntimeMissing, match=r"no usable Python 3\.15 was found .*\. Get one with: uv python install 3\.15 or: "
    ):
        asyncio.run(catalog(tmp_path).resolve("python3.15"))
    with pytest.raises(RuntimeMissing, match=r"Install it with: functory runtimes install python3\.14"):
        asyncio.run(catalog(tmp_path).resolve("python3.14"))
    with pytest.raises(RuntimeMissing, match="Install it with: functory runtimes install nodejs24"):
        asyncio.run(catalog(tmp_path).resolve("nodejs24.x"))
    with pytest.raises(RuntimeMissing, match="is a preview, on AWS as well"):
        asyncio.run(catalog(tmp_path).resolve("python3.15"))
    with pytest.raises(RuntimeMissing, match="not known"):
        asyncio.run(catalog(tmp_path).resolve("java6"))


def test_a_java_runtime_needs_its_pack_and_shows_the_whole_jdk(tmp_path: Path) -> None:
    home = java(tmp_path / "jvms/jdk-17")
    made = catalog(tmp_path, dataclasses.replace(places(tmp_path), jvms=(tmp_path / "jvms",)))
    with pytest.raises(RuntimeMissing, match="Install it with: functory runtimes install java17"):
        asyncio.run(made.resolve("java17"))
    with pytest.raises(RuntimeMissing, match=r"no usable Java 8 was found\. Get one with: apt-get install openjdk-8"):
        asyncio.run(made.resolve("java8.al2"))
    pack = pack_path(made.definitions["java17"], made.folder)
    pack.mkdir(parents=True)
    ready = asyncio.run(made.resolve("java17"))
    assert ready.version == "17.0.9"
    assert ready.mounts == (RuntimeMount(home, "/var/lang"), RuntimeMount(pack, "/var/runtime"))


def test_an_unreadable_interpreter_is_named_with_its_remedy(tmp_path: Path) -> None:
    python(tmp_path / "path")
    (tmp_path / "path/lib").chmod(0o700)
    with pytest.raises(RuntimeMissing, match=r"chmod -R o\+rX"):
        asyncio.run(catalog(tmp_path).resolve("python3.12"))


def test_what_was_found_is_kept_and_what_was_missing_is_looked_for_again(tmp_path: Path) -> None:
    made = catalog(tmp_path)
    with pytest.raises(RuntimeMissing):
        asyncio.run(made.resolve("nodejs22.x"))
    node = program(tmp_path / "path/bin/node", "v22.3.0")
    ready = asyncio.run(made.resolve("nodejs22.x"))
    node.unlink()
    assert asyncio.run(made.resolve("nodejs22.x")) is ready


def test_what_is_missing_is_not_looked_for_again_while_nothing_changes(tmp_path: Path) -> None:
    count = tmp_path / "count"
    node = program(tmp_path / "path/bin/node", "v20.1.0")
    node.write_text(f"#!/bin/sh\necho x >> {count}\necho v20.1.0\n")
    made = catalog(tmp_path)
    for _ in range(3):
        with pytest.raises(RuntimeMissing):
            asyncio.run(made.resolve("nodejs22.x"))
    assert count.read_text() == "x\n"


def test_many_who_ask_at_once_get_the_same_answer(tmp_path: Path) -> None:
    program(tmp_path / "path/bin/node", "v22.3.0")
    made = catalog(tmp_path)

    async def ask() -> list[ReadyRuntime]:
        return list(await asyncio.gather(*(made.resolve("nodejs22.x") for _ in range(20))))

    answers = asyncio.run(ask())
    assert all(answer is answers[0] for answer in answers)


def test_the_list_tells_what_is_ready_and_how_to_get_the_rest(tmp_path: Path) -> None:
    python(tmp_path / "path")
    program(tmp_path / "path/bin/node", "v22.3.0")
    made = catalog(tmp_path)
    rows = {row.id: row for row in asyncio.run(made.list())}

    assert rows["nodejs22.x"].ready
    assert rows["nodejs22.x"].version == "22.3.0"
    assert rows["nodejs22.x"].deprecated == "2027-04-30"
    assert rows["provided.al2023"].ready
    assert not rows["python3.12"].ready
    assert rows["python3.12"].location == str(tmp_path / "path")
    assert rows["python3.12"].advice.endswith("functory runtimes install python3.12")
    assert not rows["python3.14"].ready


def test_a_runtime_version_arn_names_identifier_and_version() -> None:
    def ready(version: str) -> ReadyRuntime:
        return ReadyRuntime("python3.12", version, (), {}, ())

    arn = runtime_version_arn("eu-west-1", ready("3.12.1"))
    assert re.fullmatch(r"arn:aws:lambda:eu-west-1::runtime:[0-9a-f]{64}", arn)
    assert arn != runtime_version_arn("eu-west-1", ready("3.12.2"))
    mounts = [(RuntimeMount(Path("/a") / pack, "/var/runtime"),) for pack in ("python3.12-1", "python3.12-2")]
    arns = {runtime_version_arn("eu-west-1", dataclasses.replace(ready("3.12.1"), mounts=mount)) for mount in mounts}
    assert len(arns | {arn}) == 3
