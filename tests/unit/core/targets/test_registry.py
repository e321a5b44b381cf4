from __future__ import annotations

import pytest

from functory.core.deliveries.port import NewDelivery
from functory.core.targets.port import Notice
from functory.core.targets.registry import Targets, service_of


class Nobody:
    def check(self, arn: str, source_arn: str) -> None:
        pass

    def delivery(self, arn: str, notice: Notice) -> NewDelivery:
        return NewDelivery("nobody", arn, notice.payload)


@pytest.mark.parametrize(
    ("arn", "service"),
    [("arn:aws:sqs:r:123456789012:q", "sqs"), ("arn:aws:s3:::b", "s3"), ("queue", ""), ("arn:aws:sqs", ""), ("", "")],
)
def test_the_service_of_an_arn(arn: str, service: str) -> None:
    assert service_of(arn) == service


def test_a_target_is_found_by_its_service() -> None:
    target = Nobody()
    targets = Targets({"sqs": target})
    assert targets.find("arn:aws:sqs:r:123456789012:q") is target
    assert targets.find("arn:aws:sns:r:123456789012:t") is None
    assert targets.find("q") is None
    with pytest.raises(ValueError, match="twice"):
        targets.register("sqs", target)
