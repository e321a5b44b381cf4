"""Which node a command speaks to, and how.

A node is a stranger's AWS endpoint to these commands: they use ordinary botocore clients (what boto3 wraps). The user's
``~/.aws`` files are not read, because they speak about AWS and not about this node; no instance metadata is asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from functory.edges.cli.record import read_record

DEFAULT_URL = "http://127.0.0.1:4566"
DEFAULT_REGION = "us-east-1"
DUMMY_CREDENTIAL = "test"
CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 960  # the longest function runs 900 s; AWS's own advice is to wait a little longer

C = TypeVar("C", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the node is and as whom it is asked."""

    url: str
    region: str
    access_key: str
    secret_key: str
    session_token: str | None = None


def node_options(command: C) -> C:
    """The options every command has that speaks to a node."""
    region = click.option("--region", metavar="NAME", help="Region; default: $AWS_REGION, $AWS_DEFAULT_REGION, us-east-1.")
    endpoint = click.option(
        "--endpoint",
        metavar="URL",
        help="The node; default: $FUNCTORY_ENDPOINT, $AWS_ENDPOINT_URL, the node of the default data folder, "
        f"{DEFAULT_URL}.",
    )
    return endpoint(region(command))


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """The data folder that settings give without flags and files."""
    from functory.kernel.settings import load

    return Path(load(environ=environ).node.data_dir).expanduser()


def resolve(environ: Mapping[str, str], url: str | None, region: str | None) -> Endpoint:
    """The endpoint a command shall use; see `node_options` for the order.

    Raises:
        click.BadParameter: it is no http or https URL.
    """
    record = None
    found = url or environ.get("FUNCTORY_ENDPOINT") or environ.get("AWS_ENDPOINT_URL")
    if not found:
        record = read_record(default_data_dir(environ))
        found = record.url if record else DEFAULT_URL
    parts = urlsplit(found)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise click.BadParameter(f"{found!r} is no http or https URL", param_hint="--endpoint")
    has_keys = environ.get("AWS_ACCESS_KEY_ID") and environ.get("AWS_SECRET_ACCESS_KEY")
    return Endpoint(
        url=found.rstrip("/"),
        region=region or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or DEFAULT_REGION,
        access_key=environ["AWS_ACCESS_KEY_ID"] if has_keys else DUMMY_CREDENTIAL,
        secret_key=environ["AWS_SECRET_ACCESS_KEY"] if has_keys else DUMMY_CREDENTIAL,
        session_token=(environ.get("AWS_SESSION_TOKEN") or None) if has_keys else None,
    )


def is_loopback(host: str) -> bool:
    """Whether a host name or address can be reached from this machine only."""
    import ipaddress

    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def connect(service: str, endpoint: Endpoint) -> Any:
    """A client of ``service`` at ``endpoint``; asks once (a second try of an invocation would run the function twice)."""
    import os

    import botocore.session
    from botocore.config import Config

    nowhere = (None, None, os.devnull, None)
    session = botocore.session.Session(
        session_vars={"profile": (None, None, None, None), "config_file": nowhere, "credentials_file": nowhere}
    )
    host = urlsplit(endpoint.url).hostname or ""
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"total_max_attempts": 1},
        tcp_keepalive=True,
        proxies={} if is_loopback(host) else None,
    )
    return session.create_client(
        service,
        region_name=endpoint.region,
        endpoint_url=endpoint.url,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
        aws_session_token=endpoint.session_token,
        config=config,
    )


def get_json(url: str, timeout_s: float) -> dict[str, Any]:
    """The JSON object at ``url``; an HTTP error status with a JSON body counts as an answer.

    Raises:
        OSError: nothing answers.
        ValueError: what answers is no JSON object.
    """
    return _exchange(url, None, {}, timeout_s)[1]


def post_json(url: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> tuple[int, dict[str, Any]]:
    """The status and the JSON object that a POST of JSON is answered with.

    Raises:
        OSError: nothing answers.
        ValueError: what answers is no JSON object.
    """
    return _exchange(url, body, {**headers, "Content-Type": "application/json"}, timeout_s)


def _exchange(url: str, body: bytes | None, headers: Mapping[str, str], timeout_s: float) -> tuple[int, dict[str, Any]]:
    import http.client
    import urllib.error
    import urllib.request

    host = urlsplit(url).hostname or ""
    handlers = [urllib.request.ProxyHandler({})] if is_loopback(host) else []
    request = urllib.request.Request(url, body, dict(headers))  # noqa: S310  http or https: see `resolve`
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=timeout_s) as response:
            status, answer = response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            status, answer = error.code, error.read()
    except http.client.HTTPException as error:
        raise ValueError(f"no HTTP: {error!r}") from error
    value = json.loads(answer)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return status, value
