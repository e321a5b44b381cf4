"""Sizes of the ``/tmp`` images; making them needs root and is in the integration tests."""

from __future__ import annotations

import pytest

from functory.kernel.limits import MIB
from functory.sandbox.scratch import image_bytes


@pytest.mark.parametrize("mib", [512, 1024, 10_240])
def test_an_image_is_a_little_larger_than_what_it_offers(mib: int) -> None:
    assert mib * MIB * 1.02 < image_bytes(mib) < mib * MIB * 1.06
