"""What the answer of a function means for the records of its batch. Pure.

AWS: an empty or absent list of failures is success; an answer that cannot be understood (no JSON, an id that is empty, null
or of no record) fails the whole batch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

REPORT = "ReportBatchItemFailures"


def failed_items(answer: bytes, ids: Sequence[str]) -> set[str]:
    """The ids of the records that the function reports as failed.

    Args:
        answer: the function's payload.
        ids: of the records it was given.
    """
    try:
        document = json.loads(answer) if answer else None
    except (ValueError, RecursionError):
        return set(ids)
    if document is None or document in ("", {}):
        return set()
    failures: Any = document.get("batchItemFailures", []) if isinstance(document, dict) else document
    if failures is None:
        return set()
    if not isinstance(failures, list):
        return set(ids)
    known, failed = set(ids), set()
    for failure in failures:
        item = failure.get("itemIdentifier") if isinstance(failure, dict) else None
        if not isinstance(item, str) or item not in known:
            return known
        failed.add(item)
    return failed
