"""A virtual machine that shows this machine's files, with control groups of version 2, emulated: it needs no KVM.

The kernel comes from the folder that ``FUNCTORY_TEST_KERNEL`` names: a Debian package ``linux-image-…`` unpacked with
``dpkg-deb -x``. The guest's root is the host's, read-only below a writable layer in memory that vanishes with the guest.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from pathlib import Path

TOOLS = ("qemu-system-x86_64", "busybox", "depmod", "modprobe", "gzip")
_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay", "loop", "veth", "ext4", "crc32c_generic")
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_INIT = r"""#!/bin/busybox sh
B=/bin/busybox
$B mount -t proc proc /proc; $B mount -t sysfs sys /sys; $B mount -t devtmpfs dev /dev
while read -r module; do $B insmod /modules/$module; done < /modules/order
$B mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=512000,cache=loose host /lower
$B mount -t tmpfs -o size=1500m rw /rw; $B mkdir -p /rw/upper /rw/work
$B mount -t overlay -o lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work root /whole
for folder in proc sys dev; do $B mount --move /$folder /whole/$folder; done
$B mount -t tmpfs -o mode=1777 tmp /whole/tmp; $B mount -t tmpfs run /whole/run
$B mount -t cgroup2 cgroup /whole/sys/fs/cgroup
$B ip link set lo up
echo 1 > /whole/proc/sys/kernel/printk
exec $B switch_root /whole /bin/bash -c '
  eval "$(sed -n "s/.*functory.run=\([^ ]*\).*/\1/p" /proc/cmdline | base64 -d)"
  echo "ended with $?"; sync; echo o > /proc/sysrq-trigger; sleep 60'
"""


def missing() -> str:
    """Why no machine can be made here; ``""`` when one can."""
    kernel = os.environ.get("FUNCTORY_TEST_KERNEL", "")
    if not kernel:
        return "FUNCTORY_TEST_KERNEL names no unpacked linux-image package"
    if not list(Path(kernel).glob("boot/vmlinuz-*")):
        return f"no kernel in {kernel}"
    absent = [tool for tool in TOOLS if shutil.which(tool, path=_PATH) is None]
    return f"not installed: {', '.join(absent)}" if absent else ""


def run_in_guest(script: str, folder: Path, timeout_s: float) -> str:
    """Run a bash script as root of a new machine; everything it wrote.

    Args:
        script: short; it goes through the kernel's command line.
        folder: empty, for the initial file system.
        timeout_s: after which the machine is ended.
    """
    kernel = Path(os.environ["FUNCTORY_TEST_KERNEL"])
    image = _initial_file_system(kernel, folder)
    program = next(kernel.glob("boot/vmlinuz-*"))
    encoded = base64.b64encode(script.encode()).decode()
    command = [
        "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "3072",
        "-nographic", "-no-reboot", "-kernel", str(program), "-initrd", str(image),
        "-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
        "-append", f"console=ttyS0 quiet panic=-1 functory.run={encoded}",
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=timeout_s, check=False)
        return (done.stdout + done.stderr).decode(errors="replace")
    except subprocess.TimeoutExpired as error:
        return f"{(error.stdout or b'').decode(errors='replace')}\nit took longer than {timeout_s:g} s"


def _initial_file_system(kernel: Path, folder: Path) -> Path:
    environment = {"PATH": _PATH}
    release = next(kernel.glob("lib/modules/*")).name
    root = folder / "root"
    for name in ("bin", "proc", "sys", "dev", "lower", "rw", "whole", "modules"):
        (root / name).mkdir(parents=True)
    busybox = shutil.which("busybox", path=_PATH)
    assert busybox is not None
    shutil.copy(busybox, root / "bin/busybox")
    subprocess.run(["depmod", "-b", kernel, release], check=True, env=environment)
    order: dict[str, None] = {}
    for module in _MODULES:
        listing = ["modprobe", "-n", "-D", "-d", str(kernel), "-S", release, module]
        done = subprocess.run(listing, capture_output=True, text=True, check=False, env=environment)
        for line in done.stdout.splitlines():
            if line.startswith("insmod "):
                file = Path(line.split()[1])
                shutil.copy(file, root / "modules" / file.name)
                order[file.name] = None
    (root / "modules/order").write_text("".join(f"{name}\n" for name in order))
    (root / "init").write_text(_INIT)
    (root / "init").chmod(0o755)
    image = folder / "image.gz"
    packing = f"cd {root} && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1 > {image}"
    subprocess.run(["/bin/sh", "-c", packing], check=True, env=environment)
    return image
