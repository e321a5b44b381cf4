from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from functory.edges.cli.client import DEFAULT_URL, Endpoint, connect, get_json, is_loopback, resolve
from functory.edges.cli.record import write_record
from tests.unit.edges.cli.test_record import own_record


def environ(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"FUNCTORY_NODE_DATA_DIR": str(tmp_path), **more}


def test_the_endpoint_is_the_first_that_is_given(tmp_path: Path) -> None:
    full = environ(tmp_path, FUNCTORY_ENDPOINT="http://a:1", AWS_ENDPOINT_URL="http://b:2/")
    assert resolve(full, "http://c:3", None).url == "http://c:3"
    assert resolve(full, None, None).url == "http://a:1"
    assert resolve(environ(tmp_path, AWS_ENDPOINT_URL="http://b:2/"), None, None).url == "http://b:2"


def test_without_an_endpoint_the_node_of_the_default_data_folder_is_asked(tmp_path: Path) -> None:
    assert resolve(environ(tmp_path), None, None).url == DEFAULT_URL
    write_record(own_record(tmp_path))
    assert resolve(environ(tmp_path), None, None).url == own_record(tmp_path).url


@pytest.mark.parametrize("url", ["ftp://x", "127.0.0.1:4566", "http://"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(click.BadParameter, match="no http or https URL"):
        resolve({}, url, None)


def test_region_and_credentials_have_defaults() -> None:
    assert resolve({}, "http://a:1", None) == Endpoint("http://a:1", "us-east-1", "test", "test")


def test_region_and_credentials_come_from_the_environment() -> None:
    keys = {"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "SK", "AWS_DEFAULT_REGION": "eu-west-1"}
    assert resolve(keys, "http://a:1", None) == Endpoint("http://a:1", "eu-west-1", "AK", "SK")
    assert resolve({**keys, "AWS_REGION": "eu-west-2"}, "http://a:1", None).region == "eu-west-2"
    assert resolve(keys, "http://a:1", "eu-west-3").region == "eu-west-3"


def test_half_of_a_credential_is_none() -> None:
    assert resolve({"AWS_ACCESS_KEY_ID": "AK"}, "http://a:1", None).access_key == "test"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.8.8", "::1", "[::1]"])
def test_an_address_of_this_machine_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_an_address_others_reach_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_a_client_ignores_the_users_aws_files_and_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "config"
    broken.write_text("[not an ini file")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(broken))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(broken))
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    client = connect("lambda", Endpoint("http://127.0.0.1:1", "eu-west-1", "AK", "SK"))
    assert client.meta.endpoint_url == "http://127.0.0.1:1"
    assert client.meta.region_name == "eu-west-1"
    assert client.meta.config.retries["total_max_attempts"] == 1


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers by path."""

    def do_GET(self) -> None:
        status, body = {"/ok": (200, b'{"a": 1}'), "/ill": (503, b'{"a": 2}'), "/list": (200, b"[]")}.get(
            self.path, (200, b"x")
        )
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def test_a_json_object_is_read_whatever_the_status(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert get_json(f"{server}/ok", 5) == {"a": 1}
    assert get_json(f"{server}/ill", 5) == {"a": 2}


def test_what_is_no_json_object_is_refused(server: str) -> None:
    for path in ("/list", "/text"):
        with pytest.raises(ValueError, match=r"not a JSON object|Expecting value"):
            get_json(server + path, 5)


def test_that_nothing_answers_is_an_os_error() -> None:
    with pytest.raises(OSError, match="refused"):
        get_json("http://127.0.0.1:1/x", 5)
