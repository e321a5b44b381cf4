"""Access key ids: their form, and the account that is in them. Pure.

AWS: four letters of the kind (``AKIA`` long-term, ``ASIA`` temporary), then 80 bits in base32, of which bits 1 to 40 are the
account id. That is how GetAccessKeyInfo answers without looking anything up.
"""

from __future__ import annotations

import base64
import binascii

LONG_TERM = "AKIA"
TEMPORARY = "ASIA"

_LETTERS = 16
_BITS = 80
_ACCOUNT_BITS = 40
_ACCOUNTS = 10**12


def new_access_key_id(kind: str, account_id: str, random_hex: str) -> str:
    """An access key id.

    Args:
        kind: `LONG_TERM` or `TEMPORARY`.
        account_id: 12 digits.
        random_hex: at least 10 random hexadecimal digits.
    """
    rest = _BITS - 1 - _ACCOUNT_BITS
    number = 1 << (_BITS - 1) | int(account_id) << rest | int(random_hex, 16) % (1 << rest)
    return kind + base64.b32encode(number.to_bytes(_BITS // 8, "big")).decode()


def account_of(access_key_id: str) -> str | None:
    """The account an access key id belongs to; None when it is not of AWS's form."""
    if len(access_key_id) != len(TEMPORARY) + _LETTERS or access_key_id[:4] not in (LONG_TERM, TEMPORARY):
        return None
    try:
        number = int.from_bytes(base64.b32decode(access_key_id[4:]), "big")
    except (binascii.Error, ValueError):
        return None
    account = number >> (_BITS - 1 - _ACCOUNT_BITS) & ((1 << _ACCOUNT_BITS) - 1)
    return f"{account:012d}" if account < _ACCOUNTS else None
