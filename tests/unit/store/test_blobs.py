from __future__ import annotations

import asyncio
import hashlib

import pytest

from functory.store.blobs import FileBlobs
from functory.store.port import StoreError


async def all_keys(blobs) -> set[str]:
    return {key async for key in blobs.keys()}  # noqa: SIM118  not a dictionary


def test_content_comes_back_under_its_hash(tmp_path):
    async def main():
        blobs = FileBlobs(tmp_path / "blobs")
        key = await blobs.put(b"content")
        assert key == hashlib.sha256(b"content").hexdigest()
        assert (await blobs.get(key), await blobs.size(key)) == (b"content", 7)
        assert blobs.path(key).read_bytes() == b"content"

    asyncio.run(main())


def test_the_same_content_at_once_is_kept_once(tmp_path):
    async def main():
        blobs = FileBlobs(tmp_path)
        keys = await asyncio.gather(*(blobs.put(b"same") for _ in range(20)), blobs.put(b""))
        assert await all_keys(blobs) == set(keys)
        assert len(set(keys)) == 2

    asyncio.run(main())


def test_a_deleted_blob_is_gone_and_deleting_twice_is_no_error(tmp_path):
    async def main():
        blobs = FileBlobs(tmp_path)
        key = await blobs.put(b"x")
        await blobs.delete(key)
        await blobs.delete(key)
        for ask in (blobs.get, blobs.size):
            with pytest.raises(KeyError):
                await ask(key)
        assert await all_keys(blobs) == set()
        assert await blobs.put(b"x") == key

    asyncio.run(main())


@pytest.mark.parametrize("key", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_what_is_no_key_never_becomes_a_path(tmp_path, key):
    async def main():
        blobs = FileBlobs(tmp_path)
        for ask in (blobs.get, blobs.size):
            with pytest.raises(KeyError):
                await ask(key)
        await blobs.delete(key)
        with pytest.raises(KeyError):
            blobs.path(key)

    asyncio.run(main())


def test_leftovers_of_a_crash_are_removed_and_blobs_stay(tmp_path):
    async def main():
        key = await FileBlobs(tmp_path).put(b"kept")
        (tmp_path / "incoming" / "half-written").write_bytes(b"ke")
        blobs = FileBlobs(tmp_path)
        assert list((tmp_path / "incoming").iterdir()) == []
        assert await all_keys(blobs) == {key}

    asyncio.run(main())


def test_a_put_that_fails_leaves_no_temporary_file(tmp_path):
    async def main():
        blobs = FileBlobs(tmp_path)
        key = hashlib.sha256(b"x").hexdigest()
        (tmp_path / key[:2]).write_text("a file where the folder should be")
        with pytest.raises(StoreError, match="cannot be written"):
            await blobs.put(b"x")
        assert list((tmp_path / "incoming").iterdir()) == []

    asyncio.run(main())


def test_damage_is_noticed_when_asked_to_verify(tmp_path):
    async def main():
        blobs = FileBlobs(tmp_path, verify=True)
        key = await blobs.put(b"good")
        assert await blobs.get(key) == b"good"
        blobs.path(key).chmod(0o644)
        blobs.path(key).write_bytes(b"evil")
        with pytest.raises(StoreError, match="damaged"):
            await blobs.get(key)

    asyncio.run(main())


def test_a_root_that_cannot_be_used_is_a_store_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be used"):
        FileBlobs(tmp_path / "file" / "blobs")
