from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from functory.core.artifacts.image_errors import BadImage
from functory.core.artifacts.image_source import ImageSource
from functory.core.artifacts.images import ROOTFS, Images, read_config
from functory.kernel.settings import ImageSettings
from tests.support.oci_images import Layout, link


def images(root: Path) -> Images:
    (root / "unpacked").mkdir(exist_ok=True)
    return Images(root / "unpacked", ImageSource(ImageSettings(folders=(str(root),))), "x86_64", is_supported=True)


def test_an_image_is_unpacked_once_with_what_is_needed_of_its_configuration(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    digest = layout.add("v1", [{"app/x": "1"}], Entrypoint=["/app/x"], Env=["A=1"])
    made = images(tmp_path)

    async def use() -> tuple[str, list[Path]]:
        key, resolved = await made.resolve(f"oci:{layout.path}:v1")
        assert resolved == f"oci:{layout.path}@{digest}"
        return key, list(await asyncio.gather(*(made.prepare(key, resolved) for _ in range(5))))

    key, folders = asyncio.run(use())
    assert f"sha256:{key}" == digest
    assert set(folders) == {tmp_path / "unpacked" / key}
    assert (folders[0] / ROOTFS / "app/x").read_text() == "1"
    assert read_config(folders[0]).entry_point == ("/app/x",)
    assert [path.name for path in (tmp_path / "unpacked").iterdir()] == [key]


def test_what_the_sandbox_mounts_on_is_there_and_never_a_link(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layout.add("v1", [[link("etc", "/nowhere"), link("dev", "/etc"), link("tmp", "..")]])
    made = images(tmp_path)

    async def use() -> Path:
        return await made.prepare(*await made.resolve(f"oci:{layout.path}:v1"))

    root = asyncio.run(use()) / ROOTFS
    for name in ("proc", "dev", "sys", "tmp", "etc", "mnt"):
        assert (root / name).is_dir()
        assert not (root / name).is_symlink()
    assert (root / "etc/hosts").is_file()


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layout.add("v1", [{"a": "1"}, {"b": "2"}])
    made = images(tmp_path)

    async def use() -> None:
        key, resolved = await made.resolve(f"oci:{layout.path}:v1")
        for blob in layout.blobs.iterdir():
            if blob.read_bytes().startswith(b"\x1f\x8b"):
                blob.write_bytes(b"\x1f\x8b damaged")
        await made.prepare(key, resolved)

    with pytest.raises(BadImage):
        asyncio.run(use())
    assert list((tmp_path / "unpacked").iterdir()) == []
