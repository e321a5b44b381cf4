from __future__ import annotations

from pathlib import Path

import pytest

from functory.aws.errors import AwsError
from functory.core.environments.file_systems import FileSystems, parse_file_systems
from functory.kernel.errors import SettingsError
from functory.sandbox.port import Mount

ARN = "arn:aws:elasticfilesystem:eu-central-1:123456789012:access-point/fsap-0123456789abcdef0"


def test_an_access_point_is_a_folder_under_the_functions_own_path(tmp_path: Path) -> None:
    systems = parse_file_systems([f"{ARN}={tmp_path}:ro"], taken=["/mnt/all"])
    assert systems.mount(ARN, "/mnt/data") == Mount(tmp_path, "/mnt/data", read_only=True)
    assert parse_file_systems([f"{ARN}={tmp_path}"]).mount(ARN, "/mnt/x") == Mount(tmp_path, "/mnt/x", read_only=False)
    assert "not one of this node's" in systems.refusal("arn:aws:other", "/mnt/data")
    assert "every function" in systems.refusal(ARN, "/mnt/all")


def test_what_is_not_there_any_more_cannot_be_mounted(tmp_path: Path) -> None:
    gone = FileSystems({ARN: Mount(tmp_path / "gone", "/mnt/x")})
    for systems in (FileSystems(), gone):
        with pytest.raises(AwsError) as refused:
            systems.mount(ARN, "/mnt/data")
        assert refused.value.code == "EFSMountFailureException"


@pytest.mark.parametrize("entry", ["", "x=/tmp", f"{ARN}=relative", f"{ARN}=/does/not/exist", f"{ARN}=/tmp:rx", ARN])
def test_settings_that_are_none(entry: str) -> None:
    with pytest.raises(SettingsError, match=r"lambda\.file_systems"):
        parse_file_systems([entry])
