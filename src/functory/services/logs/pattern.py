"""The filter pattern language of CloudWatch Logs: `parse` a text, then ask the `Pattern`. Pure.

Three kinds, told apart by the first character: ``{…}`` looks into JSON (`pattern_json`), ``[…]`` into space-delimited fields
(`pattern_fields`), everything else looks for terms (`pattern_terms`). What they share, values and boolean
expressions, is in `pattern_values`; ``%regular expressions%`` in `pattern_regex`.

AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

from typing import Protocol

from functory.services.logs import pattern_fields, pattern_json, pattern_terms
from functory.services.logs.pattern_values import PatternError

__all__ = ["Pattern", "PatternError", "parse"]


class Pattern(Protocol):
    """A parsed pattern; ``str`` gives a text that parses to an equal one."""

    def matches(self, message: str) -> bool:
        """Whether a log event passes.

        Raises:
            PatternError: a regular expression takes too long on this event.
        """

    def extract(self, message: str) -> dict[str, str]:
        """The values of the pattern's fields in a message that matches: ``$name``, ``$2``, ``$.selector``."""


def parse(text: str) -> Pattern:
    """The pattern that ``text`` means; blank text matches everything.

    Raises:
        PatternError: AWS would refuse it; the text is for the caller.
    """
    text = text.strip()
    for opening, closing, kind in (("{", "}", pattern_json.parse), ("[", "]", pattern_fields.parse)):
        if text.startswith(opening):
            if len(text) < 2 or not text.endswith(closing):
                raise PatternError(f"If a filter pattern starts with '{opening}' it must end with '{closing}'")
            return kind(text[1:-1])
    return pattern_terms.parse(text)
