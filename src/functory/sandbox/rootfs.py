"""The read-only root folder that sandboxes share.

**Theory.** Everything that is the same in every sandbox is prepared once, on a small tmpfs in the node's private mount
namespace: the folder tree, a minimal ``/etc``, ``/dev``, and the host's ``/usr`` bound read-only. An OCI runtime binds the
root recursively, so all of it comes along as one mount and costs a start nothing. One root exists per *set of mount
targets*, because a target must exist before something can be mounted on it and the root is read-only.

Of the host only ``/usr`` (with the folders merged into it) and a few files of ``/etc`` that programs need to start are
visible. ``/dev/shm`` is absent, as on AWS. ``/bin/sh`` is bash, as on Amazon Linux.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from functory.sandbox import linux
from functory.sandbox.first_process import FOLDER, PATH
from functory.sandbox.mounts import STANDARD_TARGETS
from functory.sandbox.network import ADDRESS
from functory.sandbox.oci_spec import GID, HOSTNAME, UID
from functory.sandbox.port import Mount

_FOLDERS = ("usr", "etc", "proc", "dev", "sys", "tmp", "mnt", "home", "run", "var")
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_ETC_COPIED = (
    "alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "services", "protocols",
    "os-release", "crypto-policies",
)  # fmt: skip
_ETC_COPIED_GLOBS = ("java*", "ssl/openssl.cnf")  # distributions keep the configuration of the JDK in /etc/java-17-openjdk
_ETC_BOUND = ("ssl/certs", "pki/tls", "pki/ca-trust", "pki/java")
_DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
_DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}
_NETWORK_FILES = ("etc/hosts", "etc/resolv.conf")
_BIND = linux.MS_NOSUID | linux.MS_NODEV

ETC_FILES = {
    "passwd": f"root:x:0:0:root:/:/sbin/nologin\nsbx_user1051:x:{UID}:{GID}::/home/sbx_user1051:/sbin/nologin\n"
    "nobody:x:65534:65534:nobody:/:/sbin/nologin\n",
    "group": f"root:x:0:\nsbx_user1051:x:{GID}:\nnobody:x:65534:\n",
    "hosts": f"127.0.0.1 localhost\n{ADDRESS} sandbox.localdomain sandbox {HOSTNAME}\n",
    "hostname": f"{HOSTNAME}\n",
    "resolv.conf": "# this sandbox has no network beyond its own loopback\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
}


class RootTemplates:
    """The roots of one node.

    Args:
        folder: an empty folder that every user may traverse; the tmpfs is mounted there.
        host: the host's root; a temporary folder in tests.
        etc_files: texts of files of ``/etc`` that replace `ETC_FILES`.
        first_process: the program at `functory.sandbox.first_process.PATH`.
    """

    def __init__(
        self,
        folder: Path,
        host: Path = Path("/"),
        etc_files: Mapping[str, str] | None = None,
        first_process: bytes | None = None,
    ) -> None:
        self._first_process = first_process
        self._etc_files = ETC_FILES | dict(etc_files or {})
        self.folder = folder
        self._host = host
        self._making = threading.Lock()
        self._images: set[Path] = set()
        self.notes: tuple[str, ...] = ()

    @property
    def has_first_process(self) -> bool:
        """Whether commands are started by `functory.sandbox.first_process`."""
        return self._first_process is not None

    @property
    def dev(self) -> Path:
        """The folder that becomes ``/dev``."""
        return self.folder / "dev"

    @property
    def folder_of_maps(self) -> Path:
        """Where folders of the host are mounted under other ids; never removed with what is in them."""
        return self.folder / "maps"

    @property
    def folder_of_late(self) -> Path:
        """Where the folders of standby sandboxes are mounted; never removed with what is in them."""
        return self.folder / "late"

    def start(self) -> None:
        """Mount the tmpfs and make ``/dev``. Blocks.

        Raises:
            OSError: not allowed here.
        """
        linux.mount("tmpfs", self.folder, "tmpfs", linux.MS_NOSUID, "mode=755,size=64m")
        self.dev.mkdir(mode=0o755)
        self.folder_of_maps.mkdir(mode=0o700)
        self.folder_of_late.mkdir(mode=0o700)
        for name, (major, minor) in _DEVICES.items():
            self._make_device(name, os.makedev(major, minor))
        for name, target in _DEVICE_LINKS.items():
            (self.dev / name).symlink_to(target)
        if self._bash() is None:
            self.notes = ("/bin/sh is not bash: the host has none",)

    def _make_device(self, name: str, device: int) -> None:
        node = self.dev / name
        try:
            os.mknod(node, 0o666 | 0o020000, device)
            node.chmod(0o666)  # whatever the umask
        except PermissionError:  # in a user namespace nobody makes devices
            node.touch()
            linux.mount(str(self._host / "dev" / name), node, flags=linux.MS_BIND)

    def root_for(self, targets: Iterable[str]) -> Path:
        """The root that has these mount targets beside the standard ones; made when first asked for. Blocks.

        Raises:
            OSError: it could not be made.
        """
        extra = sorted(set(targets) - set(STANDARD_TARGETS))
        key = hashlib.sha256("\0".join(extra).encode()).hexdigest()[:16]
        root = self.folder / f"root-{key}"
        with self._making:
            if not root.exists():
                self._make(root, [*STANDARD_TARGETS, *extra])
        return root

    def root_of_image(self, image: Path, targets: Iterable[str]) -> Path:
        """The root of a container image: its folder, read-only. Blocks.

        Args:
            image: see `SandboxSpec.root`.
            targets: where something will be mounted; made in ``image`` where missing.

        Raises:
            OSError: it could not be made, or a target leads through a link of the image.
        """
        wanted = sorted(set(targets))
        key = hashlib.sha256("\0".join([str(image), *wanted]).encode()).hexdigest()[:16]
        root = self.folder / f"image-{key}"
        with self._making:
            if root in self._images and not os.path.samestat(root.stat(), image.stat()):
                linux.detach(root)  # the image was removed and made anew since
                self._images.remove(root)
            if root not in self._images:
                for target in wanted:
                    _make_target(image, target)
                root.mkdir(exist_ok=True)
                linux.bind(image, root, read_only=True, extra=_BIND)
                self._images.add(root)
        return root

    def first_process(self) -> tuple[Mount, ...]:
        """The folder of the first process, for a container image; nothing where it is not used."""
        return (Mount(self.root_for(()) / FOLDER.strip("/"), FOLDER),) if self._first_process else ()

    def network_files(self) -> tuple[Mount, ...]:
        """Files of ours that an image's own give way to. Nothing is mounted *in* the image: it could not be removed then."""
        return tuple(Mount(self.root_for(()) / name, f"/{name}") for name in _NETWORK_FILES)

    def close(self) -> None:
        """Unmount everything; fine when nothing is mounted."""
        for folder in self.folder.glob("root-*/usr"):
            linux.detach(folder)
        for folder in self.folder.glob("image-*"):
            linux.detach(folder)
        linux.detach(self.folder)

    def _make(self, root: Path, targets: list[str]) -> None:
        building = root.with_name(f"{root.name}.new")
        for name in _FOLDERS:
            _make_folder(building, name)
        for target in targets:
            _make_folder(building, target)
        for name in _MERGED:
            self._merge(building, name)
        if self._first_process is not None:
            _make_folder(building, FOLDER)
            (building / PATH.strip("/")).write_bytes(self._first_process)
            (building / PATH.strip("/")).chmod(0o755)
        _make_etc(building / "etc", self._host / "etc", self._etc_files)
        self._bind_system(building)
        building.rename(root)

    def _merge(self, root: Path, name: str) -> None:
        source = self._host / name
        if source.is_symlink():
            (root / name).symlink_to(source.readlink())
        elif source.is_dir():
            _make_folder(root, name)

    def _bind_system(self, root: Path) -> None:
        for name in ("usr", *_MERGED):
            if (root / name).is_dir() and not (root / name).is_symlink():
                linux.bind(self._host / name, root / name, read_only=True, extra=_BIND)
        for name in _ETC_BOUND:
            source = self._host / "etc" / name
            if source.is_dir():
                linux.bind(source, root / "etc" / name, read_only=True, extra=_BIND)
        self._bind_shell(root)

    def _bind_shell(self, root: Path) -> None:
        """Show bash where ``/bin/sh`` leads to, unless it already is bash."""
        bash = self._bash()
        shell = root / "usr/bin/sh"
        if bash is None or not shell.exists():
            return
        # Relative links stay in the tree; an absolute one is followed inside it.
        target = shell.readlink() if shell.is_symlink() else Path("sh")
        inside = root / str(target).lstrip("/") if target.is_absolute() else shell.parent / target
        if inside.name != "bash" and inside.is_file() and not inside.is_symlink():
            linux.bind(bash, inside, read_only=True, extra=_BIND)

    def _bash(self) -> Path | None:
        candidates = (self._host / "usr/bin/bash", self._host / "bin/bash")
        return next((path.resolve() for path in candidates if path.is_file()), None)


def _make_folder(root: Path, name: str) -> None:
    """Make ``root/name``; modes are set one by one, because a umask may take bits that the sandbox's user needs."""
    path = root
    for part in ["", *name.strip("/").split("/")]:
        path = path / part
        path.mkdir(exist_ok=True)
        path.chmod(0o755)


def _make_target(image: Path, target: str) -> None:
    """Make a folder inside an image, never through one of its links."""
    path = image
    for part in target.strip("/").split("/"):
        path = path / part
        if path.is_symlink():
            raise NotADirectoryError(errno.ENOTDIR, "a link of the image is in the way", target)
        if not path.is_dir():
            path.mkdir()
            path.chmod(0o755)


def _make_etc(etc: Path, host_etc: Path, files: Mapping[str, str] = ETC_FILES) -> None:
    """A minimal ``/etc``: our own files, and copies of what programs of the host need to start."""
    copied = [host_etc / name for name in _ETC_COPIED]
    copied += [path for pattern in _ETC_COPIED_GLOBS for path in host_etc.glob(pattern)]
    for source in copied:
        target = etc / source.relative_to(host_etc)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, ignore=_unreadable, ignore_dangling_symlinks=True)
        elif source.is_file() and _readable_by_all(source):
            _make_folder(etc, str(target.parent.relative_to(etc)))
            shutil.copyfile(source, target)
            target.chmod(0o644)
    for name in _ETC_BOUND:
        if (host_etc / name).is_dir():
            _make_folder(etc, name)
    for name, text in files.items():
        (etc / name).write_text(text)
        (etc / name).chmod(0o644)


def _unreadable(folder: str, names: list[str]) -> set[str]:
    """What other users may not read on the host (keys, passwords) is not copied either."""
    return {name for name in names if not _readable_by_all(Path(folder) / name)}


def _readable_by_all(path: Path) -> bool:
    if path.is_symlink():
        return True
    return bool(path.lstat().st_mode & 0o004)
