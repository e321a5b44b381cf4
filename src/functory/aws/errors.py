"""Errors of AWS APIs as exceptions, named by their code.

A service raises `AwsError` with the code its botocore model has; status, fault, wire form and member spelling come from
that model when the codec serialises it (``codec.error_response``), so nobody types a status code. Codes that no model
has (``ValidationException`` of Lambda, ``AccessDeniedException`` of the edge …) carry their status explicitly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functory.kernel.errors import FunctoryError


class AwsError(FunctoryError):
    """An error as the caller of an AWS API sees it.

    Args:
        code: the shape name in the model (``ResourceNotFoundException``) or a code AWS uses outside the models.
        message: AWS's text.
        status: HTTP status; None takes it from the model (400 when the model has none).
        members: further members of the error shape (``Reason`` …), by model name.
        headers: extra response headers (``Retry-After`` …).
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        members: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = dict(members or {})
        self.headers = dict(headers or {})
