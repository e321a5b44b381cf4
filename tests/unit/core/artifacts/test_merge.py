from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from functory.core.artifacts.artifacts import Artifacts
from functory.core.artifacts.errors import BadPackage
from functory.core.artifacts.merge import merge, merged_name
from functory.core.artifacts.unpack import unpack
from tests.support.hostile_zips import FILE, LINK, made_of
from tests.support.lambda_store import InMemoryBlobs, make_zip

Tree = dict[str, str]


def tree(folder: Path) -> Tree:
    """Every path below a folder -> content of a file, ``/`` for a folder, ``-> target`` for a link."""
    found: Tree = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        else:
            found[name] = "/" if path.is_dir() else path.read_text()
    return found


def merged(tmp_path: Path, *packages: bytes) -> Path:
    sources = []
    for number, package in enumerate(packages):
        sources.append(tmp_path / f"source-{number}")
        unpack(package, tmp_path / ".tmp", sources[-1])
    merge(sources, tmp_path / ".tmp", tmp_path / "final")
    assert not (tmp_path / ".tmp").exists()
    return tmp_path / "final"


def files(content: Mapping[str, str]) -> bytes:
    return make_zip(dict(content))


def test_later_files_override_earlier_ones_and_the_rest_stays(tmp_path: Path) -> None:
    first = files({"python/a.py": "first", "python/b.py": "first"})
    second = files({"python/b.py": "second", "bin/tool": "second"})
    third = files({"bin/tool": "third"})
    assert tree(merged(tmp_path, first, second, third)) == {
        "python": "/",
        "python/a.py": "first",
        "python/b.py": "second",
        "bin": "/",
        "bin/tool": "third",
    }
    assert tree(tmp_path / "source-0")["python/b.py"] == "first"


def test_merging_takes_no_room_and_keeps_modes_and_times(tmp_path: Path) -> None:
    final = merged(tmp_path, make_zip({"bin/tool": "x"}, mode=0o755), files({"lib/x": "y"}))
    tool = final / "bin/tool"
    assert tool.stat().st_ino == (tmp_path / "source-0/bin/tool").stat().st_ino
    assert tool.stat().st_mode & 0o777 == 0o555
    assert tool.stat().st_mtime == 1_795_420_800
    assert [path.stat().st_mode & 0o777 for path in (final, final / "bin", final / "lib")] == [0o755] * 3


def test_a_folder_takes_the_place_of_a_file_and_a_file_that_of_a_folder(tmp_path: Path) -> None:
    first = files({"a": "file", "b/deep/x": "below"})
    second = files({"a/x": "below", "b": "file"})
    assert tree(merged(tmp_path, first, second)) == {"a": "/", "a/x": "below", "b": "file"}


def test_nothing_is_written_through_a_link_of_an_earlier_package(tmp_path: Path) -> None:
    first = made_of([("real/x", b"first", FILE), ("alias", b"real", LINK), ("one", b"real/x", LINK)])
    second = files({"alias/x": "second", "one": "second"})
    assert tree(merged(tmp_path, first, second)) == {
        "real": "/",
        "real/x": "first",
        "alias": "/",
        "alias/x": "second",
        "one": "second",
    }


def test_links_are_kept_and_follow_what_the_result_has(tmp_path: Path) -> None:
    first = made_of([("lib/x.so.1", b"first", FILE), ("lib/x.so", b"x.so.1", LINK)])
    final = merged(tmp_path, first, files({"lib/x.so.1": "second"}))
    assert tree(final)["lib/x.so"] == "-> x.so.1"
    assert (final / "lib/x.so").read_text() == "second"


def test_links_that_lead_outside_only_together_are_refused(tmp_path: Path) -> None:
    first = made_of([("deep/leaf", b"x/y/../../..", LINK), ("f", b"", FILE)])
    second = made_of([("deep/x/y", b"..", LINK), ("g", b"", FILE)])
    with pytest.raises(BadPackage):
        merged(tmp_path, first, second)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source-0", "source-1"]


def test_a_link_that_gives_way_is_forgotten(tmp_path: Path) -> None:
    first = made_of([("deep/leaf", b"x/y/../../..", LINK), ("f", b"", FILE)])
    second = made_of([("deep/x/y", b"..", LINK), ("g", b"", FILE)])
    third = files({"deep/x": "a file now"})
    assert "deep/leaf" in tree(merged(tmp_path, first, second, third))


def test_a_file_is_copied_where_hard_links_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))

    monkeypatch.setattr(os, "link", refuse)
    final = merged(tmp_path, make_zip({"bin/tool": "x"}, mode=0o755), files({"b": "y"}))
    assert tree(final) == {"bin": "/", "bin/tool": "x", "b": "y"}
    assert (final / "bin/tool").stat().st_mode & 0o777 == 0o555


def test_the_name_tells_the_packages_and_their_order() -> None:
    names = [merged_name(keys) for keys in (["a", "b"], ["b", "a"], ["a", "b", "c"], ["ab"])]
    assert len(set(names)) == 4
    assert names[3] == "ab"


def test_packages_are_merged_once_however_many_ask(tmp_path: Path) -> None:
    async def scenario() -> None:
        blobs = InMemoryBlobs()
        keys = [await blobs.put(files({name: name})) for name in "abcde"]
        async with Artifacts(blobs, tmp_path) as artifacts:
            folders = await asyncio.gather(*(artifacts.merge(keys) for _ in range(10)))
            assert set(folders) == {tmp_path / merged_name(keys)}
            assert tree(folders[0]) == {name: name for name in "abcde"}
            assert await artifacts.merge(keys[:1]) == tmp_path / keys[0]
            assert await artifacts.merged() == [merged_name(keys)]
        blobs.content.clear()
        async with Artifacts(blobs, tmp_path) as artifacts:
            assert await artifacts.merge(keys) == folders[0]

    asyncio.run(scenario())


def test_many_merges_at_once_do_not_wait_for_one_another_for_ever(tmp_path: Path) -> None:
    async def scenario() -> None:
        blobs = InMemoryBlobs()
        keys = [await blobs.put(files({str(number): "x"})) for number in range(12)]
        async with Artifacts(blobs, tmp_path) as artifacts, asyncio.timeout(30):
            await asyncio.gather(*(artifacts.merge([keys[n], keys[(n + 1) % 12]]) for n in range(12)))
            assert len(await artifacts.merged()) == 12

    asyncio.run(scenario())


def test_a_merge_whose_package_is_missing_is_told_and_tried_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        blobs = InMemoryBlobs()
        keys = [await blobs.put(files({"a": "a"})), Artifacts.key_of(files({"b": "b"}))]
        async with Artifacts(blobs, tmp_path) as artifacts:
            with pytest.raises(KeyError):
                await artifacts.merge(keys)
            assert await artifacts.merged() == []
            await artifacts.put(files({"b": "b"}))
            assert tree(await artifacts.merge(keys)) == {"a": "a", "b": "b"}

    asyncio.run(scenario())


def test_what_a_killed_node_left_half_merged_is_removed_and_merged_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        blobs = InMemoryBlobs()
        keys = [await blobs.put(files({name: name})) for name in "ab"]
        async with Artifacts(blobs, tmp_path) as artifacts:
            await artifacts.merge(keys)
            await artifacts.forget(merged_name(keys))
        (tmp_path / ".tmp-0").mkdir()
        os.link(tmp_path / keys[0] / "a", tmp_path / ".tmp-0" / "a")
        async with Artifacts(blobs, tmp_path) as artifacts:
            assert not (tmp_path / ".tmp-0").exists()
            assert tree(await artifacts.merge(keys)) == {"a": "a", "b": "b"}

    asyncio.run(scenario())


def test_a_merged_folder_outlives_its_packages_and_they_outlive_it(tmp_path: Path) -> None:
    async def unused() -> bool:
        return True

    async def scenario() -> None:
        blobs = InMemoryBlobs()
        keys = [await blobs.put(files({name: name})) for name in "ab"]
        async with Artifacts(blobs, tmp_path) as artifacts:
            folder = await artifacts.merge(keys)
            await artifacts.forget(keys[0])
            assert tree(folder) == {"a": "a", "b": "b"}
            assert await artifacts.discard_merged(folder.name, unused)
            assert tree(tmp_path / keys[1]) == {"b": "b"}
            assert await artifacts.merged() == []
            assert tree(await artifacts.merge(keys)) == {"a": "a", "b": "b"}

    asyncio.run(scenario())


def test_a_merge_waits_for_the_folder_to_be_discarded_and_makes_it_anew(tmp_path: Path) -> None:
    async def scenario(answer: bool) -> None:
        blobs = InMemoryBlobs()
        keys = [await blobs.put(files({name: name})) for name in "ab"]
        asked, go_on = asyncio.Event(), asyncio.Event()

        async def unused() -> bool:
            asked.set()
            await go_on.wait()
            return answer

        async with Artifacts(blobs, tmp_path) as artifacts:
            folder = await artifacts.merge(keys)
            discarding = asyncio.create_task(artifacts.discard_merged(folder.name, unused))
            await asked.wait()
            merging = asyncio.create_task(artifacts.merge(keys))
            await asyncio.sleep(0)
            assert not merging.done()
            go_on.set()
            assert await discarding is answer
            assert tree(await merging) == {"a": "a", "b": "b"}

    for answer in (True, False):
        asyncio.run(scenario(answer))
