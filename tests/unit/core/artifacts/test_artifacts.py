from __future__ import annotations

import asyncio
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functory.core.artifacts.artifacts import Artifacts
from functory.core.artifacts.errors import BadPackage
from functory.core.artifacts.package import inspect
from functory.core.artifacts.unpack import unpack
from tests.support.hostile_zips import FILE, HOSTILE, LINK, made_of
from tests.support.lambda_store import InMemoryBlobs, make_zip


class CountingBlobs(InMemoryBlobs):
    def __init__(self) -> None:
        super().__init__()
        self.gets = 0
        self.gate: asyncio.Event | None = None

    async def get(self, key: str) -> bytes:
        self.gets += 1
        if self.gate is not None:
            await self.gate.wait()
        return await super().get(key)


def test_unpacked_code_is_readable_by_everyone_and_writable_by_no_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        blobs = InMemoryBlobs()
        content = made_of(
            [("index.py", b"code", 0o100600), ("bin/run", b"#!", 0o100700), ("lib/x", b"", 0), ("alias", b"bin/run", LINK)]
        )
        key = await blobs.put(content)
        async with Artifacts(blobs, tmp_path / "code") as artifacts:
            folder = await artifacts.unpack(key)
        assert folder == tmp_path / "code" / key
        modes = {str(path.relative_to(folder)): stat.S_IMODE(path.lstat().st_mode) for path in folder.rglob("*")}
        modes.pop("alias")
        assert modes == {"index.py": 0o444, "bin": 0o755, "bin/run": 0o555, "lib": 0o755, "lib/x": 0o444}
        assert stat.S_IMODE(folder.stat().st_mode) == 0o755
        assert (folder / "alias").readlink() == Path("bin/run")
        assert (folder / "alias").read_bytes() == b"#!"

    asyncio.run(scenario())


def test_times_come_from_the_zip(tmp_path: Path) -> None:
    unpack(make_zip({"a/b": "x"}), tmp_path / ".tmp", tmp_path / "out")
    assert (tmp_path / "out/a/b").stat().st_mtime == 1_795_420_800


def test_content_is_unpacked_once_however_many_ask(tmp_path: Path) -> None:
    async def scenario() -> None:
        blobs = CountingBlobs()
        key = await blobs.put(make_zip())
        async with Artifacts(blobs, tmp_path) as artifacts:
            folders = await asyncio.gather(*(artifacts.unpack(key) for _ in range(20)))
            assert set(folders) == {tmp_path / key}
            assert artifacts.is_unpacked(key)
            await artifacts.unpack(key)
        assert blobs.gets == 1

    asyncio.run(scenario())


def test_a_caller_that_goes_away_does_not_stop_the_others(tmp_path: Path) -> None:
    async def scenario() -> None:
        blobs = CountingBlobs()
        key = await blobs.put(make_zip())
        blobs.gate = asyncio.Event()
        async with Artifacts(blobs, tmp_path) as artifacts:
            first = asyncio.create_task(artifacts.unpack(key))
            second = asyncio.create_task(artifacts.unpack(key))
            await asyncio.sleep(0)
            first.cancel()
            await asyncio.wait([first])
            blobs.gate.set()
            assert await second == tmp_path / key

    asyncio.run(scenario())


def test_an_absent_package_is_told_to_everyone_and_asked_again_later(tmp_path: Path) -> None:
    async def scenario() -> None:
        blobs = InMemoryBlobs()
        content = make_zip()
        async with Artifacts(blobs, tmp_path) as artifacts:
            key = artifacts.key_of(content)
            results = await asyncio.gather(*(artifacts.unpack(key) for _ in range(3)), return_exceptions=True)
            assert [type(result) for result in results] == [KeyError] * 3
            await artifacts.put(content)
            assert (await artifacts.unpack(key) / "index.py").is_file()

    asyncio.run(scenario())


def test_what_a_killed_node_left_half_done_is_removed_at_start(tmp_path: Path) -> None:
    async def scenario() -> None:
        blobs = InMemoryBlobs()
        key = await blobs.put(make_zip())
        for name in (".tmp-0", ".gone-3"):
            (tmp_path / name / "deep").mkdir(parents=True)
            (tmp_path / name / "deep" / "file").write_text("half")
        async with Artifacts(blobs, tmp_path) as artifacts:
            assert list(tmp_path.iterdir()) == []
            await artifacts.unpack(key)
        blobs.content.clear()
        async with Artifacts(blobs, tmp_path) as artifacts:
            assert await artifacts.unpack(key) == tmp_path / key

    asyncio.run(scenario())


def test_forgotten_content_is_unpacked_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        blobs = CountingBlobs()
        key = await blobs.put(make_zip())
        async with Artifacts(blobs, tmp_path) as artifacts:
            await artifacts.unpack(key)
            await artifacts.forget(key)
            assert list(tmp_path.iterdir()) == []
            await artifacts.forget(key)
            await artifacts.unpack(key)
        assert blobs.gets == 2

    asyncio.run(scenario())


def test_a_held_package_is_not_discarded(tmp_path: Path) -> None:
    async def unused() -> bool:
        return True

    async def scenario() -> None:
        blobs = InMemoryBlobs()
        key = await blobs.put(make_zip())
        async with Artifacts(blobs, tmp_path) as artifacts:
            async with artifacts.hold(key):
                assert not await artifacts.discard(key, unused)
            assert key in blobs.content
            assert await artifacts.discard(key, unused)
            assert key not in blobs.content

    asyncio.run(scenario())


def test_a_deploy_waits_for_the_same_package_to_be_discarded(tmp_path: Path) -> None:
    async def scenario() -> None:
        blobs = InMemoryBlobs()
        content = make_zip()
        key = await blobs.put(content)
        asked, go_on = asyncio.Event(), asyncio.Event()

        async def unused() -> bool:
            asked.set()
            await go_on.wait()
            return True

        async def deploy(artifacts: Artifacts) -> None:
            async with artifacts.hold(key):
                await artifacts.put(content)

        async with Artifacts(blobs, tmp_path) as artifacts:
            discarding = asyncio.create_task(artifacts.discard(key, unused))
            await asked.wait()
            deploying = asyncio.create_task(deploy(artifacts))
            go_on.set()
            assert await discarding
            await deploying
        assert key in blobs.content

    asyncio.run(scenario())


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_unpacking_a_hostile_zip_leaves_nothing(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(BadPackage):
        unpack(content, tmp_path / ".tmp", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_many_files_are_made_durable_together(tmp_path: Path) -> None:
    unpack(make_zip({f"d{index % 7}/f{index}": "x" for index in range(100)}), tmp_path / ".tmp", tmp_path / "out")
    assert sum(1 for path in (tmp_path / "out").rglob("*") if path.is_file()) == 100


def test_a_package_too_large_when_unpacked_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(BadPackage):
        unpack(make_zip({"a": "x" * 100}), tmp_path / ".tmp", tmp_path / "out", unzipped_bytes_max=99)
    assert list(tmp_path.iterdir()) == []


parts = st.lists(st.sampled_from(["a", "b", ".", ".."]), min_size=1, max_size=5).map("/".join)
members = st.lists(
    st.one_of(st.tuples(parts, st.just(b"1"), st.just(FILE)), st.tuples(parts, parts.map(str.encode), st.just(LINK))),
    min_size=1,
    max_size=6,
)


@given(members)
def test_no_link_that_was_taken_leads_outside(made: list[tuple[str, bytes, int]]) -> None:
    content = made_of(made)
    try:
        inspect(content)
    except BadPackage:
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        unpack(content, root / ".tmp", root / "out")
        for path in (root / "out").rglob("*"):
            assert path.resolve().is_relative_to(root / "out")
        assert sorted(path.name for path in root.iterdir()) == ["out"]
