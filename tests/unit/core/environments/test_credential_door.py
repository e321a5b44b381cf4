"""Credentials of restored functions: only for the right token, and in the form SDKs want."""

from __future__ import annotations

import json

import pytest

from functory.core.environments.credential_door import CredentialDoor
from functory.core.environments.variables import Credentials
from tests.support.lambda_store import SetClock


def test_the_token_opens() -> None:
    clock = SetClock()
    door = CredentialDoor("secret", Credentials("AKIA", "key", "session"), clock)
    document = door.open("secret")
    assert document is not None
    shown = json.loads(document)
    assert shown.pop("Expiration").endswith("Z")
    assert shown == {"AccessKeyId": "AKIA", "SecretAccessKey": "key", "Token": "session"}


@pytest.mark.parametrize("token", ["", "Secret", "secret ", "sécret"])
def test_another_token_does_not(token: str) -> None:
    assert CredentialDoor("secret", Credentials("AKIA", "key", "session"), SetClock()).open(token) is None
