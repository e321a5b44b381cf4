"""The ``config.json`` as a pure function."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from functory.kernel.limits import MIB
from functory.sandbox import oci_spec
from functory.sandbox.port import Command, Limits, Mount, SandboxSpec

PLACE = oci_spec.Place(
    root=Path("/r/root"),
    dev=Path("/r/dev"),
    tmp=Path("/r/tmp"),
    network="/proc/1/fd/9",
    cgroup="/functory/k/one",
    first_id=1 << 30,
    machine="x86_64",
)
SPEC = SandboxSpec(
    "one",
    (Mount(Path("/code"), "/var/task"), Mount(Path("/data"), "/mnt/data", read_only=False)),
    Limits(memory_mib=1769, vcpu=1.0, processes=77, open_files=88),
)
COMMAND = Command(("/var/lang/bin/python3", "-m", "x"), {"A": "1", "B": "=2"}, "/var/task")
CONFIG = oci_spec.config(SPEC, COMMAND, PLACE)


def test_it_is_json() -> None:
    assert json.loads(json.dumps(CONFIG)) == CONFIG


def test_the_process_has_the_command_and_no_privileges() -> None:
    process = CONFIG["process"]
    assert process["args"] == ["/var/lang/bin/python3", "-m", "x"]
    assert process["env"] == ["A=1", "B==2"]
    assert process["cwd"] == "/var/task"
    assert process["user"] == {"uid": 993, "gid": 990}
    assert process["noNewPrivileges"] is True
    assert not any(process["capabilities"].values())
    assert process["terminal"] is False


def test_the_limits_are_in_it() -> None:
    limits = {limit["type"]: (limit["soft"], limit["hard"]) for limit in CONFIG["process"]["rlimits"]}
    assert limits == {"RLIMIT_NOFILE": (88, 88), "RLIMIT_NPROC": (77, 77), "RLIMIT_CORE": (0, 0)}
    assert CONFIG["linux"]["resources"] == {
        "memory": {"limit": 1769 * MIB, "swap": 1769 * MIB},
        "cpu": {"quota": 20_000, "period": 20_000},
        "pids": {"limit": 77},
    }


def test_swap_is_not_named_where_the_kernel_cannot_limit_it() -> None:
    place = dataclasses.replace(PLACE, limits_swap=False)
    assert oci_spec.config(SPEC, COMMAND, place)["linux"]["resources"]["memory"] == {"limit": 1769 * MIB}


@pytest.mark.parametrize(("vcpu", "quota"), [(1.0, 20_000), (128 / 1769, 1447), (5.789, 115_780), (0.0001, 1000)])
def test_the_quota_follows_the_vcpus_down_to_the_kernels_floor(vcpu: float, quota: int) -> None:
    assert oci_spec.cpu_quota_us(vcpu) == quota


def test_every_namespace_is_private() -> None:
    namespaces = {each["type"]: each.get("path") for each in CONFIG["linux"]["namespaces"]}
    assert namespaces == {
        "pid": None, "mount": None, "ipc": None, "uts": None, "cgroup": None, "user": None, "network": "/proc/1/fd/9",
    }  # fmt: skip
    mapping = [{"containerID": 0, "hostID": 1 << 30, "size": 65_536}]
    assert CONFIG["linux"]["uidMappings"] == CONFIG["linux"]["gidMappings"] == mapping


def test_where_the_node_has_few_ids_a_sandbox_gets_three_of_its_own() -> None:
    few = oci_spec.config(SPEC, COMMAND, dataclasses.replace(PLACE, layout="few", first_id=7))
    assert few["linux"]["uidMappings"] == [
        {"containerID": 0, "hostID": 7, "size": 1},
        {"containerID": 993, "hostID": 8, "size": 1},
        {"containerID": 65_534, "hostID": 9, "size": 1},
    ]
    assert [each["containerID"] for each in few["linux"]["gidMappings"]] == [0, 990, 65_534]
    assert few["process"]["user"] == {"uid": 993, "gid": 990}
    assert oci_spec.user_outside("few", 7) == (8, 8)


def test_where_the_node_has_one_id_functions_have_it_without_privileges() -> None:
    own = oci_spec.config(SPEC, COMMAND, dataclasses.replace(PLACE, layout="own", first_id=0))
    assert own["linux"]["uidMappings"] == [{"containerID": 0, "hostID": 0, "size": 1}]
    assert own["process"]["user"] == {"uid": 0, "gid": 0}
    assert own["process"]["capabilities"]["bounding"] == []
    assert own["process"]["noNewPrivileges"]


def test_without_control_groups_there_are_no_limits_to_set() -> None:
    linux = oci_spec.config(SPEC, COMMAND, dataclasses.replace(PLACE, cgroup=""))["linux"]
    assert "resources" not in linux
    assert "cgroupsPath" not in linux


def test_the_root_is_read_only_and_only_tmp_and_asked_mounts_are_writable() -> None:
    assert CONFIG["root"] == {"path": "/r/root", "readonly": True}
    writable = [mount["destination"] for mount in CONFIG["mounts"] if "rw" in mount["options"]]
    assert writable == ["/tmp", "/mnt/data"]
    assert all("nosuid" in mount["options"] for mount in CONFIG["mounts"])
    sources = {mount["destination"]: mount["source"] for mount in CONFIG["mounts"]}
    assert sources["/var/task"] == "/code"
    assert "/sys" not in sources
    assert "/dev/shm" not in sources


def test_without_a_profile_for_the_machine_there_is_no_seccomp() -> None:
    place = dataclasses.replace(PLACE, machine="riscv64")
    assert "seccomp" in CONFIG["linux"]
    assert "seccomp" not in oci_spec.config(SPEC, COMMAND, place)["linux"]


def test_a_standby_has_slaves_where_its_function_will_come_and_less_of_the_cpu() -> None:
    place = dataclasses.replace(PLACE, late={"/opt": Path("/late/opt")}, shares=128)
    config = oci_spec.config(SPEC, COMMAND, place)
    late = next(mount for mount in config["mounts"] if mount["destination"] == "/opt")
    assert late["source"] == "/late/opt"
    assert {"rbind", "rslave", "ro", "nosuid", "nodev"} <= set(late["options"])
    assert "rslave" in next(mount for mount in config["mounts"] if mount["destination"] == "/tmp")["options"]
    assert config["linux"]["resources"]["cpu"]["shares"] == 128
    plain = oci_spec.config(SPEC, COMMAND, PLACE)
    assert "shares" not in plain["linux"]["resources"]["cpu"]
    assert "rslave" not in json.dumps(plain)
