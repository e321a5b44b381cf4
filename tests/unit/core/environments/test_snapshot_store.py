"""Snapshots on disk: whole or not there."""

from __future__ import annotations

import asyncio
import dataclasses
import stat
from pathlib import Path

from functory.core.environments.snapshot_store import Kept, SnapshotStore
from tests.support.engine import version

MIB = 1024 * 1024


def _make(store: SnapshotStore, **changes: object) -> Kept:
    async def make() -> Kept:
        of = version("f", **changes)
        kept = await store.begin(of, "token")
        assert not kept.is_complete
        (kept.folder / "inner").mkdir()
        (kept.folder / "inner" / "memory").write_bytes(b"state")
        with (kept.folder / "tmp.img").open("wb") as image:
            image.seek(3 * MIB + 5)
            image.write(b"data")
            image.truncate(8 * MIB)
        return await store.finish(of, kept, "python 3.12.1")

    return asyncio.run(make())


def _find(store: SnapshotStore, **changes: object) -> Kept | None:
    return asyncio.run(store.find(version("f", **changes)))


def test_what_was_finished_is_found_by_every_later_node_and_for_root_only(tmp_path: Path) -> None:
    kept = _make(SnapshotStore(tmp_path / "all"))
    assert kept.is_complete
    assert _find(SnapshotStore(tmp_path / "all")) == kept
    assert stat.S_IMODE((tmp_path / "all").stat().st_mode) == 0o700
    assert stat.S_IMODE(kept.folder.stat().st_mode) == 0o700
    for changes in ({"epoch": "2"}, {"version": "7"}, {"account_id": "1" * 12}):
        assert _find(SnapshotStore(tmp_path / "all"), **changes) is None


def test_any_damage_is_seen_and_another_layout_on_disk_is_none(tmp_path: Path) -> None:
    kept = _make(SnapshotStore(tmp_path))
    image = kept.folder / "tmp.img"
    whole = image.read_bytes()
    image.write_bytes(whole)  # no holes any more
    assert _find(SnapshotStore(tmp_path)) is not None
    for damaged in (whole[:-1], whole + b"\0", b"x" + whole[1:], whole.replace(b"data", b"dat\0"), bytes(len(whole))):
        image.write_bytes(damaged)
        assert _find(SnapshotStore(tmp_path)) is None
    image.write_bytes(whole)
    assert _find(SnapshotStore(tmp_path)) is not None
    (kept.folder / "inner" / "memory").unlink()
    assert _find(SnapshotStore(tmp_path)) is None


def test_what_was_not_finished_is_not_there(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)

    async def run() -> None:
        kept = await store.begin(version("f"), "token")
        (kept.folder / "memory").write_bytes(b"half")
        assert await store.find(version("f")) is None
        assert await store.all() == {}
        again = await store.begin(version("f"), "token")
        assert list(again.folder.iterdir()) == []
        await store.give_up(again)
        assert list(tmp_path.iterdir()) == []

    asyncio.run(run())


def test_only_the_snapshot_that_did_not_work_is_discarded(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    old = _make(store)

    async def run() -> None:
        await store.discard(version("f"), dataclasses.replace(old, token="of an older one"))
        assert await store.find(version("f")) == old
        await store.discard(version("f"), old)
        assert await store.find(version("f")) is None

    asyncio.run(run())


def test_what_a_killed_node_did_not_finish_is_removed(tmp_path: Path) -> None:
    whole = _make(SnapshotStore(tmp_path))

    async def run() -> None:
        killed = await SnapshotStore(tmp_path).begin(version("f", version="2"), "token")
        (killed.folder / "memory").write_bytes(b"half")
        store = SnapshotStore(tmp_path)
        begun = await store.begin(version("f", version="3"), "token")
        assert list(await store.all()) == [whole.folder.name]
        assert {each.name for each in tmp_path.iterdir()} == {whole.folder.name, begun.folder.name}
        await store.give_up(begun)
        assert [each.name for each in tmp_path.iterdir()] == [whole.folder.name]

    asyncio.run(run())
