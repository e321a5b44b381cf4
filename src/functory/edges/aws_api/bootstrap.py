"""``POST /_functory/iam/bootstrap``: the first administrator, asked for by whoever owns the data folder.

The body is a JSON object: ``account_id`` (empty: the node's default), ``user_name``, ``force``. The answer is what was made,
or ``{"error": …}`` with status 403 (no proof), 400 (no such body) or 409 (refused).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import msgspec

from functory.aws.errors import AwsError
from functory.aws.http import HttpRequest, HttpResponse
from functory.core.identity import local_proof
from functory.kernel.clock import Clock
from functory.kernel.errors import FunctoryError

PATH = "/_functory/iam/bootstrap"

MakeAdministrator = Callable[..., Awaitable[Any]]
"""Account id, user name, keyword ``force`` -> a dataclass of what was made; raises `FunctoryError`."""


class _Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    account_id: str = ""
    user_name: str = "admin"
    force: bool = False


class BootstrapRoute:
    """See the module.

    Args:
        folder_secret: of the data folder.
        default_account: of the node.
    """

    def __init__(self, make: MakeAdministrator, folder_secret: bytes, default_account: str, clock: Clock) -> None:
        self._make = make
        self._folder_secret = folder_secret
        self._default_account = default_account
        self._clock = clock

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer one request of the path."""
        proof = request.headers.get(local_proof.HEADER, "")
        now_s = self._clock.epoch_s()
        if not local_proof.is_proof(self._folder_secret, request.method, request.path, request.body, proof, now_s):
            return _json(403, {"error": "only the owner of the node's data folder may do this"})
        try:
            wish = msgspec.json.decode(request.body, type=_Wish)
        except msgspec.MsgspecError as error:
            return _json(400, {"error": str(error)})
        try:
            made = await self._make(wish.account_id or self._default_account, wish.user_name, force=wish.force)
        except AwsError as error:
            return _json(409, {"error": error.message})
        except FunctoryError as error:
            return _json(409, {"error": str(error)})
        return _json(200, asdict(made))


def _json(status: int, value: Any) -> HttpResponse:
    return HttpResponse(status, [("Content-Type", "application/json")], msgspec.json.encode(value))
