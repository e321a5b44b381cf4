from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from functory.core.artifacts.signature import find_signer
from functory.edges.cli.main import cli
from tests.support.lambda_store import make_zip
from tests.support.signing import PROFILE, key_pair


def test_a_package_is_signed_in_place_or_beside(tmp_path: Path) -> None:
    private, public = key_pair()
    package, key = tmp_path / "p.zip", tmp_path / "key.pem"
    package.write_bytes(make_zip())
    key.write_bytes(private)
    command = ["sign", str(package), "--key", str(key), "--profile", PROFILE]
    beside = CliRunner().invoke(cli, [*command, "-o", str(tmp_path / "signed.zip")])
    assert (beside.exit_code, package.read_bytes()) == (0, make_zip())
    assert CliRunner().invoke(cli, command).exit_code == 0
    for file in (package, tmp_path / "signed.zip"):
        signer = find_signer(file.read_bytes(), {PROFILE: public})
        assert signer is not None
        assert signer.profile == PROFILE


def test_what_cannot_be_signed(tmp_path: Path) -> None:
    package, key = tmp_path / "p.zip", tmp_path / "key.pem"
    package.write_bytes(b"no zip")
    key.write_bytes(key_pair()[0])
    command = ["sign", str(package), "--key", str(key), "--profile"]
    refused = CliRunner().invoke(cli, [*command, PROFILE])
    assert (refused.exit_code, "could not be signed: not a zip" in refused.output) == (1, True)
    assert CliRunner().invoke(cli, [*command, "mine"]).exit_code == 2
    assert package.read_bytes() == b"no zip"
