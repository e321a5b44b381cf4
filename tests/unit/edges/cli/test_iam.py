from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from functory.core.identity import local_proof
from functory.edges.cli.record import NodeRecord, identity_of, write_record
from tests.support.cli import World, run

URL = "http://127.0.0.1:4599"
MADE = {
    "account_id": "000000000000",
    "user_name": "admin",
    "user_arn": "arn:aws:iam::000000000000:user/admin",
    "access_key_id": "AKIA1",
    "secret_access_key": "a/b+c d",
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "data", administrator=MADE, posts_answer=(200, MADE))


@pytest.fixture
def running(world: World) -> World:
    """A world whose node is this very process."""
    world.home.mkdir()
    (world.home / "secret").write_bytes(b"s" * 32)
    pid = os.getpid()
    write_record(NodeRecord(pid, identity_of(pid), URL, "1", "fake", str(world.home)))
    return world


def test_without_a_node_the_folder_is_opened(world: World) -> None:
    done = run(world, "iam", "bootstrap", "--account", "111122223333", "--user-name", "alice", "--force")
    [(settings, wish)] = world.wishes
    assert settings.node.data_dir == str(world.home.resolve())
    assert wish == {"account_id": "111122223333", "user_name": "alice", "force": True}
    assert world.home.stat().st_mode & 0o777 == 0o700
    assert done.exit_code == 0
    assert not world.posted


def test_variables_go_to_standard_output_and_words_to_standard_error(world: World) -> None:
    done = run(world, "iam", "bootstrap")
    assert done.stdout == "export AWS_ACCESS_KEY_ID=AKIA1\nexport AWS_SECRET_ACCESS_KEY='a/b+c d'\n"
    assert "arn:aws:iam::000000000000:user/admin is an administrator" in done.stderr


def test_json_has_everything(world: World) -> None:
    assert json.loads(run(world, "iam", "bootstrap", "--json").stdout) == MADE


def test_another_folder_can_be_named(world: World, tmp_path: Path) -> None:
    run(world, "iam", "bootstrap", "--data-dir", str(tmp_path / "other"))
    assert world.wishes[0][0].node.data_dir == str((tmp_path / "other").resolve())


def test_a_running_node_is_asked_with_a_proof(running: World) -> None:
    done = run(running, "iam", "bootstrap", "--json")
    [(url, body, headers)] = running.posted
    assert url == f"{URL}/_functory/iam/bootstrap"
    assert json.loads(body) == {"account_id": "", "user_name": "admin", "force": False}
    proof = headers[local_proof.HEADER]
    assert local_proof.is_proof(b"s" * 32, "POST", "/_functory/iam/bootstrap", body, proof, 1_800_000_000)
    assert json.loads(done.stdout) == MADE
    assert not running.wishes


def test_a_refusal_of_the_node_is_its_sentence(running: World) -> None:
    running.posts_answer = (409, {"error": "there is one already"})
    done = run(running, "iam", "bootstrap")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "functory: there is one already\n"


def test_a_node_that_does_not_answer_is_said_to(running: World) -> None:
    running.posts_answer = OSError("refused")
    assert run(running, "iam", "bootstrap").exit_code == 3


def test_who_cannot_read_the_secret_cannot_do_it(running: World) -> None:
    (running.home / "secret").unlink()
    done = run(running, "iam", "bootstrap")
    assert done.exit_code == 1
    assert "only the owner of the data folder can do this" in done.stderr
