from __future__ import annotations

import json
from pathlib import Path

import pytest

from functory.edges.cli.record import RECORD, read_record, write_record
from tests.support.cli import World, run
from tests.unit.edges.cli.test_record import own_record


def test_a_ready_node_says_so_in_one_line(tmp_path: Path) -> None:
    result = run(World(tmp_path), "up")
    assert result.exit_code == 0
    assert result.stdout == f"Functory 0.1.0 ready at http://127.0.0.1:4999 (driver fake, data {tmp_path})\n"


def test_a_node_can_say_it_in_json(tmp_path: Path) -> None:
    printed = json.loads(run(World(tmp_path), "up", "--json").stdout)
    assert printed["url"] == "http://127.0.0.1:4999"
    assert printed["data_dir"] == str(tmp_path)


def test_flags_become_settings(tmp_path: Path) -> None:
    world, data = World(tmp_path / "default"), tmp_path / "data"
    flags = ["--host", "::1", "--port", "0", "--data-dir", str(data), "--driver", "process", "--oci-runtime", "crun"]
    flags += ["--network", "host"]
    result = run(world, "up", *flags, "--mount", f"{tmp_path}:/mnt/x:ro", "--log-level", "error")
    assert result.exit_code == 0, result.stderr
    assert world.settings is not None
    assert (world.settings.listen.host, world.settings.listen.port) == ("::1", 0)
    assert world.settings.node.data_dir == str(data)
    assert (world.settings.sandbox.driver, world.settings.sandbox.oci_runtime) == ("process", "crun")
    assert world.settings.sandbox.network == "host"
    assert world.settings.sandbox.mounts == (f"{tmp_path}:/mnt/x:ro",)
    assert world.settings.log.level == "error"


def test_flags_win_over_variables_and_these_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "functory.toml"
    file.write_text('[listen]\nport = 1\nhost = "127.0.0.2"\n[node]\ndefault_region = "eu-north-1"\n')
    world = World(tmp_path, environ={"FUNCTORY_LISTEN_PORT": "2", "FUNCTORY_LISTEN_HOST": "127.0.0.3"})
    assert run(world, "up", "--config", str(file), "--port", "3").exit_code == 0
    assert world.settings is not None
    assert world.settings.listen.port == 3
    assert world.settings.listen.host == "127.0.0.3"
    assert world.settings.node.default_region == "eu-north-1"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_an_address_others_reach_is_refused_unless_insecure_is_said(host: str, tmp_path: Path) -> None:
    world = World(tmp_path)
    result = run(world, "up", "--host", host)
    assert result.exit_code == 2
    assert "--insecure allows it" in result.stderr
    assert world.settings is None
    assert run(world, "up", "--host", host, "--insecure").exit_code == 0


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"HOST_PORTS": "80,70000"}, "host_ports must be 1..65535"),
        ({"HOST_PORTS": "80", "NETWORK": "none"}, "host_ports needs sandbox.network"),
    ],
)
def test_impossible_host_ports_are_named(variables: dict[str, str], words: str, tmp_path: Path) -> None:
    environ = {f"FUNCTORY_SANDBOX_{name}": value for name, value in variables.items()}
    result = run(World(tmp_path, environ=environ), "up")
    assert result.exit_code != 0
    assert words in result.stderr


def test_a_bad_setting_is_named(tmp_path: Path) -> None:
    result = run(World(tmp_path, environ={"FUNCTORY_LISTEN_PORT": "many"}), "up")
    assert result.exit_code == 2
    assert "listen.port" in result.stderr


def test_a_bad_mount_is_refused_before_anything_starts(tmp_path: Path) -> None:
    result = run(World(tmp_path), "up", "--mount", "/nowhere-at-all:/mnt/a")
    assert result.exit_code == 2
    assert "is not a folder" in result.stderr


def test_the_record_stands_while_the_node_runs_and_no_longer(tmp_path: Path) -> None:
    found = []

    def look() -> int:
        found.append(read_record(tmp_path))
        return 0

    run(World(tmp_path, while_ready=look), "up")
    assert found[0] is not None
    assert found[0].url == "http://127.0.0.1:4999"
    assert not (tmp_path / RECORD).exists()


def test_the_exit_code_of_the_node_is_handed_on(tmp_path: Path) -> None:
    assert run(World(tmp_path, while_ready=lambda: 4), "up").exit_code == 4


def test_ctrl_c_ends_with_its_exit_code(tmp_path: Path) -> None:
    def interrupt() -> int:
        raise KeyboardInterrupt

    assert run(World(tmp_path, while_ready=interrupt), "up").exit_code == 130


def test_one_data_folder_has_one_node(tmp_path: Path) -> None:
    write_record(own_record(tmp_path))
    result = run(World(tmp_path), "up")
    assert result.exit_code == 1
    assert "a node already runs for" in result.stderr


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run(World(tmp_path), "up", "--data-dir", str(tmp_path / "file" / "data"))
    assert result.exit_code == 1
    assert "Not a directory" in result.stderr


def test_down_without_a_node_says_so_and_succeeds(tmp_path: Path) -> None:
    result = run(World(tmp_path), "down")
    assert result.exit_code == 0
    assert result.stdout == f"no node runs for {tmp_path}\n"
    assert json.loads(run(World(tmp_path), "down", "--json").stdout)["stopped"] is False


def test_status_shows_the_health_of_the_node(tmp_path: Path) -> None:
    health = {"status": "ok", "version": "0.1.0", "uptime_s": 185, "functions": 3, "environments": {"idle": 1}}
    world = World(tmp_path, health=health, environ={"FUNCTORY_ENDPOINT": "http://127.0.0.1:9"})
    result = run(world, "status")
    assert result.exit_code == 0
    assert world.urls == ["http://127.0.0.1:9/_functory/health"]
    assert [line.split(maxsplit=1)[1] for line in result.stdout.splitlines() if not line.startswith("up")] == [
        "http://127.0.0.1:9",
        "ok",
        "0.1.0",
        "3",
        '{"idle": 1}',
    ]
    assert "3m 5s" in result.stdout
    assert json.loads(run(world, "status", "--json").stdout) == health


def test_status_of_an_ill_node_is_a_failure(tmp_path: Path) -> None:
    assert run(World(tmp_path, health={"status": "stopping"}), "status").exit_code == 1


def test_status_without_a_node_says_how_to_start_one(tmp_path: Path) -> None:
    result = run(World(tmp_path, health=OSError("Connection refused")), "status")
    assert result.exit_code == 3
    assert "no node answers at http://127.0.0.1:4566 (Connection refused); start one with `functory up`" in result.stderr


def test_status_of_a_stranger_says_so(tmp_path: Path) -> None:
    result = run(World(tmp_path, health=ValueError("x")), "status")
    assert result.exit_code == 1
    assert "is not a Functory node" in result.stderr


def test_env_exports_what_aws_tools_read(tmp_path: Path) -> None:
    printed = run(World(tmp_path), "env", "--endpoint", "http://127.0.0.1:9", "--region", "eu-west-1").stdout
    assert printed.splitlines() == [
        "export AWS_ENDPOINT_URL=http://127.0.0.1:9",
        "export AWS_ACCESS_KEY_ID=test",
        "export AWS_SECRET_ACCESS_KEY=test",
        "export AWS_DEFAULT_REGION=eu-west-1",
    ]


def test_env_never_prints_real_credentials(tmp_path: Path) -> None:
    world = World(tmp_path, environ={"AWS_ACCESS_KEY_ID": "AKREAL", "AWS_SECRET_ACCESS_KEY": "REAL"})
    assert "REAL" not in run(world, "env").stdout


def test_env_speaks_fish_and_json(tmp_path: Path) -> None:
    assert run(World(tmp_path), "env", "--shell", "fish").stdout.startswith(
        "set -gx AWS_ENDPOINT_URL http://127.0.0.1:4566;\n"
    )
    assert json.loads(run(World(tmp_path), "env", "--json").stdout)["AWS_DEFAULT_REGION"] == "us-east-1"


def test_env_quotes_what_a_shell_would_read(tmp_path: Path) -> None:
    assert "'http://h/$(x)'" in run(World(tmp_path), "env", "--endpoint", "http://h/$(x)").stdout
