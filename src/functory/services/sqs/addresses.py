"""Names, URLs and ARNs of queues. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from functory.aws.arn import Arn
from functory.aws.errors import AwsError
from functory.core.calls import CallContext

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_FIFO_NAME = re.compile(r"[A-Za-z0-9_-]{1,75}\.fifo")
FIFO_SUFFIX = ".fifo"


@dataclass(frozen=True, slots=True)
class QueueKey:
    """Which queue."""

    account_id: str
    region: str
    name: str

    @property
    def arn(self) -> str:
        """``arn:aws:sqs:REGION:ACCOUNT:NAME``."""
        return str(Arn.build("sqs", self.name, region=self.region, account_id=self.account_id))

    @property
    def is_fifo(self) -> bool:
        """A FIFO queue's name ends in ``.fifo``, and no other's does."""
        return self.name.endswith(FIFO_SUFFIX)

    def url(self, endpoint: str) -> str:
        """The queue URL under the address by which the caller reached the node."""
        return f"{endpoint}/{self.account_id}/{self.name}"


def check_name(name: str, *, is_fifo: bool) -> None:
    """Whether a queue may have this name.

    Raises:
        AwsError: InvalidParameterValue.
    """
    if is_fifo and not _FIFO_NAME.fullmatch(name):
        text = (
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, "
            "must end with .fifo suffix and be 1 to 80 in length"
        )
        raise AwsError("InvalidParameterValue", text, status=400)
    if not is_fifo and not _NAME.fullmatch(name):
        text = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        raise AwsError("InvalidParameterValue", text, status=400)


def of_url(context: CallContext, url: str) -> QueueKey:
    """The queue of a URL, whatever its host; its region is the request's.

    Raises:
        AwsError: InvalidAddress.
    """
    parts = [unquote(part) for part in urlsplit(url).path.split("/") if part]
    if len(parts) == 1 and parts[0] == url:  # a bare name: the caller's own
        return QueueKey(context.account_id, context.region, url)
    if len(parts) < 2 or not re.fullmatch(r"\d{12}", parts[-2]):
        raise AwsError("InvalidAddress", f"The address {url} is not valid for this endpoint.")
    return QueueKey(parts[-2], context.region, parts[-1])


def of_arn(arn: str) -> QueueKey | None:
    """The queue of an ARN; None when it is no queue's."""
    parsed = Arn.parse(arn)
    if parsed is None or parsed.service != "sqs" or not parsed.region or not parsed.account_id:
        return None
    return QueueKey(parsed.account_id, parsed.region, parsed.resource)
