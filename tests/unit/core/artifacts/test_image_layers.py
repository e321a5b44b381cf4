from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

import pytest

from functory.core.artifacts.image_errors import BadImage
from functory.core.artifacts.image_layers import Layers
from functory.core.artifacts.image_manifest import Layer, digest_of
from tests.support.oci_images import Entries, folder, hard_link, layer, link, member


def apply(root: Path, *layers: Entries, bytes_max: int = 1 << 20) -> Path:
    """Write layers into ``root/image``."""
    image = root / "image"
    image.mkdir(exist_ok=True)
    writer = Layers(image, bytes_max)
    for number, entries in enumerate(layers):
        blob = root / f"blob-{number}"
        blob.write_bytes(gzip.compress(layer(entries)))
        writer.apply(Layer(digest_of(blob.read_bytes()), is_compressed=True), blob)
    return image


def text(path: Path) -> str:
    return path.read_text()


def test_later_layers_lie_over_earlier_ones(tmp_path: Path) -> None:
    image = apply(tmp_path, {"a/one": "1", "a/two": "2"}, {"a/two": "zwei", "b": "new"})
    assert (text(image / "a/one"), text(image / "a/two"), text(image / "b")) == ("1", "zwei", "new")


def test_a_whiteout_hides_what_was_below(tmp_path: Path) -> None:
    image = apply(
        tmp_path, {"a/one": "1", "a/two": "2", "gone/x/y": "3"}, {"a/.wh.one": "", ".wh.gone": "", ".wh.never": ""}
    )
    assert sorted(str(path.relative_to(image)) for path in image.rglob("*")) == ["a", "a/two"]


def test_an_opaque_folder_hides_lower_layers_and_keeps_its_own(tmp_path: Path) -> None:
    image = apply(tmp_path, {"a/old": "1", "a/deep/old": "2"}, {"a/deep/new": "3", "a/.wh..wh..opq": "", "a/late": "4"})
    assert sorted(str(path.relative_to(image)) for path in image.rglob("*")) == ["a", "a/deep", "a/deep/new", "a/late"]


def test_kinds_take_each_others_place(tmp_path: Path) -> None:
    image = apply(
        tmp_path, {"a/x": "1", "b": "2"}, [(member("a"), b"file"), folder("b"), link("c", "a")], [(member("c"), b"3")]
    )
    assert (text(image / "a"), (image / "b").is_dir(), text(image / "c")) == ("file", True, "3")


def test_a_link_of_the_image_leads_into_the_image(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    entries: Entries = [link("up", "../../../outside"), link("abs", str(outside)), link("lib", "usr/lib"), folder("usr/lib")]
    image = apply(tmp_path, entries, {"up/a": "1", "abs/b": "2", "lib/c": "3"})
    assert list(outside.iterdir()) == []
    assert text(image / "usr/lib/c") == "3"
    assert text(image / "outside/a") == "1"
    assert text(image.joinpath(*outside.parts[1:]) / "b") == "2"


def test_a_file_replaces_a_link_and_is_never_written_through_it(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    image = apply(tmp_path, [link("x", str(victim))], {"x": "mine"})
    assert (text(victim), text(image / "x"), (image / "x").is_symlink()) == ("untouched", "mine", False)


def test_hard_links_stay_inside(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("secret")
    image = apply(tmp_path, [(member("a"), b"1"), hard_link("b", "a"), hard_link("c", "/a")])
    assert (image / "b").samefile(image / "a")
    assert (image / "c").samefile(image / "a")
    for target in (str(victim), "absent", "folder"):
        with pytest.raises(BadImage):
            apply(tmp_path, [folder("folder"), hard_link("d", target)])


@pytest.mark.parametrize("name", ["../x", "a/../../x", "a/.wh...", "a/.wh."])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadImage):
        apply(tmp_path, {name: "x"})


def test_a_circle_of_links_and_something_below_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match="circle"):
        apply(tmp_path, [link("a", "b"), link("b", "a"), (member("a/x"), b"")])
    with pytest.raises(BadImage, match="below the file"):
        apply(tmp_path, {"f": "1"}, {"f/x": "2"})


def test_modes_lose_set_user_id_and_devices_are_left_out(tmp_path: Path) -> None:
    entries = [(member("s", mode=0o4755), b"x"), member("null", tarfile.CHRTYPE), member("pipe", tarfile.FIFOTYPE)]
    image = apply(tmp_path, [*entries, folder("t", 0o1777), folder("closed", 0o555), (member("closed/x", mode=0o400), b"")])
    assert (image / "s").stat().st_mode & 0o7777 == 0o755
    assert (image / "t").stat().st_mode & 0o7777 == 0o777
    assert (image / "closed").stat().st_mode & 0o7777 == 0o555
    assert (image / "closed/x").stat().st_mode & 0o7777 == 0o400
    assert (image / "s").stat().st_mtime == 1_700_000_000
    assert not (image / "null").exists()
    assert not (image / "pipe").exists()


def test_more_than_the_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match="larger"):
        apply(tmp_path, {"a": "x" * 60}, {"a": "x" * 60}, bytes_max=100)


def test_a_layer_is_what_its_digest_says_or_nothing(tmp_path: Path) -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(gzip.compress(layer({"a": "1"})))
    (tmp_path / "image").mkdir()
    with pytest.raises(BadImage, match="has the content of"):
        Layers(tmp_path / "image").apply(Layer(digest_of(b"other"), is_compressed=True), blob)


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_damaged_layer_is_refused(tmp_path: Path, cut: int) -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(gzip.compress(layer({"a": "1" * 2000}))[:-cut])
    (tmp_path / "image").mkdir()
    with pytest.raises(BadImage, match="damaged"):
        Layers(tmp_path / "image").apply(Layer(digest_of(blob.read_bytes()), is_compressed=True), blob)
