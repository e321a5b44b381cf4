"""The private, size-limited ``/tmp`` of a sandbox.

**Theory.** A tmpfs would be limited too, but its pages count as memory of the function, which AWS's ``/tmp`` does not. So a
``/tmp`` is a sparse ext4 image on a loop device: made once per size, then copied (a few hundred KiB of metadata), attached,
mounted and unlinked at once. The kernel frees device and disk space when the mount goes, even when the node was killed.
What a function writes is page cache that the kernel can take back, not memory. Measured: 1.6 ms to make, 1 ms to remove.

Where loop devices do not work (most containers), a tmpfs of that size is the declared fallback.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path

from functory.kernel.limits import MIB
from functory.sandbox import linux
from functory.sandbox.port import SandboxError

_BYTES_PER_INODE = 16_384
_INODE_BYTES = 256
_MKFS_TIMEOUT_S = 60
_COPY_BYTES = 65_536
_MOUNT_FLAGS = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOATIME
# No barriers and no waiting: nothing in /tmp outlives the environment.
_EXT4_OPTIONS = "nodiscard,nobarrier,noinit_itable"


class Scratch:
    """Makes ``/tmp`` folders.

    Args:
        folder: where the templates are kept; on the disk that shall hold what functions write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._uses_disk = True
        self.note = ""

    @property
    def uses_disk(self) -> bool:
        """Whether ``/tmp`` is on disk (and not charged as memory)."""
        return self._uses_disk

    def start(self, trial: Path, mib: int) -> None:
        """Find out what works here by making one ``/tmp`` at ``trial``. Blocks."""
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            self.create(trial, mib)
            linux.unmount(trial)
        except (OSError, SandboxError) as error:
            self._uses_disk = False
            self.note = f"the functions' /tmp is a tmpfs and counts as their memory: no ext4 on loop devices here ({error})"

    def create(self, target: Path, mib: int, begin: Path | None = None) -> None:
        """Mount a ``/tmp`` of ``mib`` MiB, writable for everybody, on the folder ``target``. Blocks.

        Args:
            target: an empty folder.
            mib: its size.
            begin: what `keep` has kept of one of the same size, to begin with; else it is empty.

        Raises:
            OSError: it could not be mounted.
            SandboxError: the template could not be made.
        """
        if not self._uses_disk:
            linux.mount("tmpfs", target, "tmpfs", _MOUNT_FLAGS, f"mode=1777,size={mib}m")
            return
        template = self._folder / f"ext4-{mib}.img"
        if not template.exists():
            self._make_template(template, mib, target)
        image = self._folder / f"{target.parent.name}.img"
        try:
            _copy_sparse(begin or template, image)
            _mount_image(image, target)
        finally:
            image.unlink(missing_ok=True)

    @staticmethod
    def keep(target: Path, image: Path) -> None:
        """Write a ``/tmp`` that `create` has mounted on ``target``, and that nobody uses any more, to a file. Blocks.

        It can only be read afterwards. Nothing of its content is looked at: a function decides what is in it.

        Raises:
            OSError: it is still written to, or the disk is full.
        """
        linux.mount("none", target, flags=linux.MS_REMOUNT | linux.MS_RDONLY | _MOUNT_FLAGS)
        _copy_device(Path(linux.device_of(target)), image)

    def _make_template(self, template: Path, mib: int, mount_point: Path) -> None:
        mkfs = shutil.which("mkfs.ext4", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if mkfs is None:
            raise SandboxError("mkfs.ext4 is not installed (package e2fsprogs)")
        new = template.with_name(f"{mount_point.parent.name}-{template.name}.new")
        try:
            new.touch(0o600)
            os.truncate(new, image_bytes(mib))
            command = [
                mkfs, "-q", "-F", "-b", "4096", "-I", str(_INODE_BYTES), "-i", str(_BYTES_PER_INODE), "-m", "0",
                "-O", "^has_journal,^resize_inode", "-E", "lazy_itable_init=1,nodiscard", str(new),
            ]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, timeout=_MKFS_TIMEOUT_S, check=False)  # noqa: S603
            if done.returncode != 0:
                raise SandboxError(f"mkfs.ext4 failed: {done.stderr.strip()}")
            _mount_image(new, mount_point)
            try:
                shutil.rmtree(mount_point / "lost+found")
                mount_point.chmod(0o1777)
                linux.sync_file_system(mount_point)
            finally:
                linux.unmount(mount_point)
            new.replace(template)
        finally:
            new.unlink(missing_ok=True)


def image_bytes(mib: int) -> int:
    """The size of an image whose empty file system offers at least ``mib`` MiB."""
    inode_tables = mib * MIB // _BYTES_PER_INODE * _INODE_BYTES
    return mib * MIB + inode_tables + (8 + mib // 50) * MIB


def _mount_image(image: Path, target: Path) -> None:
    device, fd = linux.attach_loop(image)
    try:
        linux.mount(device, target, "ext4", _MOUNT_FLAGS, _EXT4_OPTIONS)
    finally:
        os.close(fd)


def _copy_device(device: Path, image: Path) -> None:
    """Copy a block device to a file that takes no space for what is zero."""
    nothing = bytes(_COPY_BYTES)
    with device.open("rb") as source, image.open("xb") as target:
        while chunk := source.read(_COPY_BYTES):
            if chunk == nothing[: len(chunk)]:
                target.seek(len(chunk), os.SEEK_CUR)
            else:
                target.write(chunk)
        target.truncate(target.tell())
        target.flush()
        os.fsync(target.fileno())


def _copy_sparse(source: Path, target: Path) -> None:
    """Copy only the parts that hold data."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    read, write = os.open(source, os.O_RDONLY | os.O_CLOEXEC), os.open(target, flags, 0o600)
    try:
        os.ftruncate(write, os.fstat(read).st_size)
        position = _next_data(read, 0)
        while position is not None:
            end = os.lseek(read, position, os.SEEK_HOLE)
            while position < end:
                position += os.copy_file_range(read, write, end - position, position, position)
            position = _next_data(read, end)
    finally:
        os.close(read)
        os.close(write)


def _next_data(fd: int, position: int) -> int | None:
    try:
        return os.lseek(fd, position, os.SEEK_DATA)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return None
