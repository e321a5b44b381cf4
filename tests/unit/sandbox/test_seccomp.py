"""The list of denied system calls."""

from __future__ import annotations

import errno

import pytest

from functory.sandbox.seccomp import DENIED, profile


def test_no_call_is_listed_twice_and_every_group_has_a_reason() -> None:
    names = [name for group in DENIED.values() for name in group]
    assert len(names) == len(set(names))
    assert all(DENIED)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_profile_allows_by_default_and_denies_with_an_error_number(machine: str) -> None:
    made = profile(machine)
    assert made is not None
    assert made["defaultAction"] == "SCMP_ACT_ALLOW"
    assert {rule["action"] for rule in made["syscalls"]} == {"SCMP_ACT_ERRNO"}
    assert {rule["errnoRet"] for rule in made["syscalls"]} == {errno.EPERM, errno.ENOSYS}


def test_unconditionally_denied_calls_include_the_dangerous_ones_and_no_everyday_one() -> None:
    made = profile("x86_64")
    assert made is not None
    plain = {name for rule in made["syscalls"] if "args" not in rule for name in rule["names"]}
    assert {"mount", "ptrace", "bpf", "unshare", "setns", "keyctl", "io_uring_setup", "kexec_load", "clone3"} <= plain
    assert not plain & {"clone", "mknod", "mknodat", "socket", "ioctl", "openat", "execve", "futex", "mmap"}


def test_every_namespace_flag_of_clone_is_checked() -> None:
    made = profile("x86_64")
    assert made is not None
    flags = [rule["args"][0] for rule in made["syscalls"] if rule["names"] == ["clone"]]
    assert all(flag["value"] == flag["valueTwo"] and flag["op"] == "SCMP_CMP_MASKED_EQ" for flag in flags)
    assert sum(flag["value"] for flag in flags) == 0x7E02_0000


def test_an_unknown_machine_has_no_profile() -> None:
    assert profile("riscv64") is None
