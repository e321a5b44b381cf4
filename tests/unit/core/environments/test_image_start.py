from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from functory.core.artifacts.image_manifest import ImageConfig
from functory.core.artifacts.images import CONFIG, ROOTFS
from functory.core.environments.image_start import ImageRefused, ImageStart, image_variables, inside, judge
from functory.core.functions.model import ImageOverrides
from functory.sandbox.port import Mount, SandboxSpec
from tests.support.engine import version

SETTINGS = ImageConfig(("run",), ("handler",), {"PATH": "/opt/bin:/bin"}, "/place")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    root = tmp_path / ROOTFS
    for name in ("opt/bin", "bin", "place"):
        (root / name).mkdir(parents=True)
    for name in ("bin/run", "place/local"):
        (root / name).write_text("x")
        (root / name).chmod(0o755)
    (root / "opt/bin/run").write_text("not a program")
    (tmp_path / CONFIG).write_bytes(msgspec.json.encode(SETTINGS))
    return tmp_path


def judged(image: Path, **overrides: object) -> ImageStart:
    return judge(version(), ImageOverrides(**overrides), image)  # type: ignore[arg-type]


def test_the_images_own_settings_hold_where_nothing_overrides_them(image: Path) -> None:
    start = judged(image)
    assert (start.argv, start.cwd) == (("/bin/run", "handler"), "/place")
    assert judged(image, command=("other",)).argv == ("/bin/run", "other")
    assert judged(image, entry_point=("./local",), command=()).argv == ("/place/./local",)
    assert judged(image, working_directory="/bin").cwd == "/bin"


@pytest.mark.parametrize(
    ("overrides", "kind", "words"),
    [
        ({"working_directory": "/absent"}, "Runtime.InvalidWorkingDir", "chdir /absent: no such file or directory"),
        ({"working_directory": "/bin/run"}, "Runtime.InvalidWorkingDir", "chdir /bin/run"),
        ({"entry_point": ("absent",)}, "Runtime.InvalidEntrypoint", "executable file not found in $PATH"),
        ({"entry_point": ("/absent",)}, "Runtime.InvalidEntrypoint", "fork/exec /absent: no such file or directory"),
        ({"entry_point": ("/opt/bin/run",)}, "Runtime.InvalidEntrypoint", "fork/exec /opt/bin/run: permission denied"),
        ({"entry_point": (), "command": ()}, "Runtime.InvalidEntrypoint", "neither ENTRYPOINT nor CMD"),
    ],
)
def test_what_cannot_be_started_is_refused(image: Path, overrides: dict[str, object], kind: str, words: str) -> None:
    with pytest.raises(ImageRefused) as refused:
        judged(image, **overrides)
    assert refused.value.error_type == kind
    assert words in str(refused.value)


def test_links_of_the_image_are_walked_inside_it(image: Path) -> None:
    root = image / ROOTFS
    (root / "abs").symlink_to("/bin")
    (root / "up").symlink_to("../../../../bin/run")
    (root / "circle").symlink_to("circle")
    (root / "host").symlink_to("/etc/passwd")
    assert inside(root, "/abs/run") == root / "bin/run"
    assert inside(root, "/up") == root / "bin/run"
    assert inside(root, "/circle") is None
    assert inside(root, "/host") is None


def test_the_images_variables_give_way_to_the_platforms_and_the_functions() -> None:
    env = {"PATH": "/platform", "TZ": ":UTC", "AWS_REGION": "r", "_HANDLER": "", "MINE": "function"}
    image = {"PATH": "/image", "AWS_REGION": "image", "MINE": "image", "OWN": "{task}"}
    assert image_variables(env, image, {"MINE": "function"}) == {
        "PATH": "/image", "AWS_REGION": "r", "MINE": "function", "OWN": "{task}",
    }  # fmt: skip
    assert image_variables(env, image, {"PATH": "/platform"})["PATH"] == "/platform"


def test_nothing_but_configured_folders_is_mounted_over_an_image(image: Path) -> None:
    mounts = (Mount(Path("/code"), "/var/task"), Mount(Path("/data"), "/mnt/data"))
    spec = judged(image).adapt_spec(SandboxSpec("x", mounts))
    assert spec.root == image / ROOTFS
    assert spec.mounts == mounts[1:]


def test_extensions_are_looked_for_in_the_images_own_opt(image: Path) -> None:
    root = image / ROOTFS
    assert judged(image).mounts == (Mount(root / "opt", "/opt"),)
    shutil.rmtree(root / "opt")
    (root / "opt").symlink_to("/bin")
    assert judged(image).mounts == (Mount(root / "bin", "/opt"),)
    (root / "opt").unlink()
    assert judged(image).mounts == ()
