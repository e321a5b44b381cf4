"""Receipt handles: which message, and which of its receives. Opaque to callers. Pure."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from functory.aws.errors import AwsError


@dataclass(frozen=True, slots=True)
class Receipt:
    """One receive of one message.

    Attributes:
        queue_id: row of the queue.
        row_id: row of the message.
        nonce: 32 hex digits, new at each receive.
    """

    queue_id: int
    row_id: int
    nonce: str

    def __str__(self) -> str:
        return base64.b64encode(f"{self.queue_id} {self.row_id} {self.nonce}".encode()).decode()


def parse(handle: str, queue_id: int) -> Receipt:
    """The receipt in a handle that this queue gave out.

    Raises:
        AwsError: ReceiptHandleIsInvalid.
    """
    try:
        queue, row, nonce = base64.b64decode(handle.encode(), validate=True).decode().split(" ")
        receipt = Receipt(int(queue), int(row), nonce)
    except (ValueError, binascii.Error) as error:
        raise _invalid(handle) from error
    if receipt.queue_id != queue_id:
        raise _invalid(handle)
    return receipt


def _invalid(handle: str) -> AwsError:
    return AwsError("ReceiptHandleIsInvalid", f'The input receipt handle "{handle}" is not a valid receipt handle.')
