"""Filter criteria of a mapping: which records reach the function. Pure.

Filters are alternatives. The source's data (the body of a message) is looked at as JSON where it is JSON; AWS's table says
what happens where pattern and data are of different kinds: they do not match.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from functory.core.patterns import Pattern


class Filters:
    """The compiled criteria of one mapping.

    Args:
        criteria: FilterCriteria as the API has it.
        data_key: member of a record that holds the source's data: ``body`` for SQS.

    Raises:
        PatternError: a pattern is none.
    """

    def __init__(self, criteria: Mapping[str, Any], data_key: str) -> None:
        self._patterns = [Pattern(each["Pattern"]) for each in criteria.get("Filters", []) if each.get("Pattern")]
        self._data_key = data_key

    def let_through(self, record: Mapping[str, Any]) -> bool:
        """Whether the function shall see it; every record where there is no filter."""
        return not self._patterns or any(self._passes(pattern, record) for pattern in self._patterns)

    def _passes(self, pattern: Pattern, record: Mapping[str, Any]) -> bool:
        """Whether one filter lets it through, its data seen in the kind that the filter asks for."""
        wanted, data = pattern.document.get(self._data_key), record.get(self._data_key)
        if wanted is None:
            return pattern.matches(record)
        found = _container(data)
        if isinstance(wanted, dict):
            return isinstance(found, dict) and pattern.matches({**record, self._data_key: found})
        return found is None and pattern.matches(record)


def _container(text: Any) -> dict[str, Any] | list[Any] | None:
    """The JSON object or list in a text, or None."""
    try:
        found = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None


def split(filters: Filters, records: Sequence[Mapping[str, Any]]) -> tuple[list[int], list[int]]:
    """Indexes of the records that get through, and of the others."""
    through = [index for index, record in enumerate(records) if filters.let_through(record)]
    kept = set(through)
    return through, [index for index in range(len(records)) if index not in kept]
