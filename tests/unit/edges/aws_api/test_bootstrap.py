from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from functory.aws.errors import AwsError
from functory.aws.http import HttpRequest, HttpResponse
from functory.core.identity import local_proof
from functory.edges.aws_api.bootstrap import PATH, BootstrapRoute
from functory.services.iam.bootstrap import Administrator, BootstrapRefusedError
from tests.support.iam_service import HandClock

SECRET = b"s" * 32
MADE = Administrator("111122223333", "admin", "arn:aws:iam::111122223333:user/admin", "AKIA1", "hidden")


class Maker:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked: list[tuple[str, str, bool]] = []

    async def __call__(self, account_id: str, user_name: str, *, force: bool) -> Administrator:
        self.asked.append((account_id, user_name, force))
        if self.error is not None:
            raise self.error
        return MADE


def ask(maker: Maker, body: bytes, *, secret: bytes = SECRET) -> HttpResponse:
    clock = HandClock()
    proof = local_proof.make_proof(secret, "POST", PATH, body, clock.now_s)
    request = HttpRequest("POST", PATH, "", {local_proof.HEADER: proof}, body)
    return asyncio.run(BootstrapRoute(maker, SECRET, "000000000000", clock).answer(request))


def read(response: HttpResponse) -> tuple[int, Any]:
    return response.status, json.loads(response.body)


def test_the_owner_of_the_folder_gets_an_administrator() -> None:
    maker = Maker()
    status, made = read(ask(maker, b'{"account_id": "111122223333", "user_name": "admin", "force": true}'))
    assert status == 200
    assert made["secret_access_key"] == "hidden"
    assert maker.asked == [("111122223333", "admin", True)]


def test_without_an_account_it_is_the_nodes_own() -> None:
    maker = Maker()
    ask(maker, b"{}")
    assert maker.asked == [("000000000000", "admin", False)]


def test_nobody_else_gets_anything() -> None:
    maker = Maker()
    assert read(ask(maker, b"{}", secret=b"t" * 32))[0] == 403
    assert maker.asked == []


@pytest.mark.parametrize("body", [b"", b"[]", b'{"more": 1}', b'{"force": "yes"}'])
def test_a_body_that_makes_no_sense_is_refused(body: bytes) -> None:
    maker = Maker()
    assert read(ask(maker, body))[0] == 400
    assert maker.asked == []


@pytest.mark.parametrize("error", [BootstrapRefusedError("no"), AwsError("LimitExceeded", "no")])
def test_a_refusal_is_told(error: Exception) -> None:
    assert read(ask(Maker(error), b"{}")) == (409, {"error": "no"})
