"""Secrets at rest."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag

from functory.kernel.sealing import Sealer

FOLDER = b"a" * 32


def test_a_sealed_text_opens_only_for_its_owner_purpose_and_folder() -> None:
    sealer = Sealer(FOLDER, "keys")
    sealed = sealer.seal("AKIA1", "secret")
    assert b"secret" not in sealed
    assert Sealer(FOLDER, "keys").open("AKIA1", sealed) == "secret"
    others = [(Sealer(b"b" * 32, "keys"), "AKIA1"), (sealer, "AKIA2"), (Sealer(FOLDER, "messages"), "AKIA1")]
    for other, owner in others:
        with pytest.raises(InvalidTag):
            other.open(owner, sealed)


def test_the_same_text_is_never_sealed_alike() -> None:
    sealer = Sealer(FOLDER, "keys")
    assert sealer.seal("a", "text") != sealer.seal("a", "text")
