"""The system calls that a sandbox may not make. Pure data and one function.

A deny list, because the namespaces, the missing capabilities and the private uid range already hold; this list takes away
what would widen the kernel's attack surface, or what the kernel would allow inside a user namespace. Denied calls fail with
EPERM, so that programs which merely try them carry on. ``clone3`` fails with ENOSYS: its flags lie behind a pointer that a
filter cannot read, and C libraries fall back to ``clone``, whose namespace flags are checked.
"""

from __future__ import annotations

import errno
from typing import Any

DENIED: dict[str, tuple[str, ...]] = {
    "mounting, and looking at other roots": (
        "mount", "umount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "open_tree_attr", "fsopen",
        "fsconfig", "fsmount", "fspick", "mount_setattr", "quotactl", "quotactl_fd",
    ),
    "new or other namespaces": ("unshare", "setns"),
    "other processes' memory and files": (
        "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd",
    ),
    "files by handle, around path checks": ("open_by_handle_at", "name_to_handle_at"),
    "kernel modules and other kernels": (
        "init_module", "finit_module", "delete_module", "create_module", "get_kernel_syms", "query_module",
        "kexec_load", "kexec_file_load",
    ),
    "programs inside the kernel, tracing, and the interfaces most often broken": (
        "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", "lookup_dcookie",
        "fanotify_init",
    ),
    "key rings, which are not namespaced by container": ("add_key", "request_key", "keyctl"),
    "the machine itself": (
        "reboot", "swapon", "swapoff", "syslog", "acct", "vhangup", "iopl", "ioperm", "modify_ldt", "nfsservctl",
        "sethostname", "setdomainname", "clock_settime", "clock_settime64", "settimeofday", "stime", "adjtimex",
        "clock_adjtime", "clock_adjtime64", "_sysctl", "sysfs", "ustat", "uselib", "vm86", "vm86old",
    ),
    "memory placement of other processes": ("move_pages", "migrate_pages"),
    "devices": ("mknod", "mknodat"),
}  # fmt: skip
"""Why -> which. ``mknod`` is denied for devices only: it also makes FIFOs and plain files."""

_NAMESPACE_FLAGS = {
    "CLONE_NEWNS": 0x0002_0000,
    "CLONE_NEWCGROUP": 0x0200_0000,
    "CLONE_NEWUTS": 0x0400_0000,
    "CLONE_NEWIPC": 0x0800_0000,
    "CLONE_NEWUSER": 0x1000_0000,
    "CLONE_NEWPID": 0x2000_0000,
    "CLONE_NEWNET": 0x4000_0000,
}
_DENIED_FAMILIES = {"AF_PACKET": 17, "AF_ALG": 38, "AF_VSOCK": 40}
_TIOCSTI = 0x5412
_S_IFMT, _S_IFCHR, _S_IFBLK = 0o170000, 0o020000, 0o060000
_ARCHITECTURES = {
    "x86_64": ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"),
    "aarch64": ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"),
}


def profile(machine: str) -> dict[str, Any] | None:
    """The ``linux.seccomp`` object for a machine (``os.uname().machine``); None where we have no profile."""
    architectures = _ARCHITECTURES.get(machine)
    if architectures is None:
        return None
    plain = sorted(name for names in DENIED.values() for name in names if not name.startswith("mknod"))
    rules: list[dict[str, Any]] = [_deny(*plain), _deny("clone3", number=errno.ENOSYS)]
    rules += [_deny("clone", argument=(0, flag, flag)) for flag in _NAMESPACE_FLAGS.values()]
    rules += [_deny("socket", argument=(0, 0xFFFF_FFFF, family)) for family in _DENIED_FAMILIES.values()]
    rules.append(_deny("ioctl", argument=(1, 0xFFFF_FFFF, _TIOCSTI)))
    for kind in (_S_IFCHR, _S_IFBLK):
        rules.append(_deny("mknod", argument=(1, _S_IFMT, kind)))
        rules.append(_deny("mknodat", argument=(2, _S_IFMT, kind)))
    return {"defaultAction": "SCMP_ACT_ALLOW", "architectures": list(architectures), "syscalls": rules}


def _deny(*names: str, number: int = errno.EPERM, argument: tuple[int, int, int] | None = None) -> dict[str, Any]:
    """A rule; ``argument`` is (index, mask, value): the rule applies when ``argument & mask == value``."""
    rule: dict[str, Any] = {"names": list(names), "action": "SCMP_ACT_ERRNO", "errnoRet": number}
    if argument is not None:
        index, mask, value = argument
        rule["args"] = [{"index": index, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}]
    return rule
