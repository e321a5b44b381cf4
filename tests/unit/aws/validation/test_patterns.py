from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functory.aws.validation import patterns


@pytest.mark.parametrize(
    ("pattern", "fitting", "unfitting"),
    [
        (r"[a-z]+", ["abc"], ["abc1", "1abc", "abc\n", ""]),  # anchored without anchors
        (r"^[a-z]+$", ["abc"], ["abc\n"]),
        (r"\w+\d", ["ab1"], ["é1", "a\u0661"]),  # ASCII, as in Java
        (r"[\w+=,.@-]+", ["a+b@c-d"], ["ä"]),
        (r"[\D]", ["\u0661", "a"], ["1"]),
        (r"\S+", ["é"], ["a b"]),
        (r".*", ["a b", ""], ["a\nb", "a\u2028b", "a\rb"]),
        (r"(?s).*", ["a\nb"], []),
        (r"[.]", ["."], ["a"]),
        (r"\p{L}+", ["é"], ["1"]),
        (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+", ["é 1_"], ["#"]),
        (r"\p{Alnum}+", ["a1"], ["é"]),
        (r"[\p{Print}]+", ["a b"], ["\t", "é"]),
        (r"\p{ASCII}*", ["\x00a"], ["é"]),
        (r"[\P{C}\n]+", ["é\n"], ["\x00"]),
        (r"[\p{Print}&&[^|:/]]+", ["ab"], ["a|b", "é"]),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", ["a\t", "\U0001f600"], ["\x00"]),
        (r"[\w- ]*", ["a - b"], ["a;"]),
        (r"[\x{60}-]+", ["`-"], ["a"]),
        (r"\Aab\z", ["ab"], ["ab\n"]),
        (r"[\n\r\t\f\v]+", ["\x0b\x85"], ["a"]),
        (r"a[]b]c", ["a]c", "abc"], ["ac"]),
        (r"[^a\]]+", ["b"], ["]"]),
    ],
)
def test_a_java_pattern_means_what_it_means_in_java(pattern: str, fitting: list[str], unfitting: list[str]) -> None:
    assert [text for text in fitting if not patterns.matches(pattern, text)] == []
    assert [text for text in unfitting if patterns.matches(pattern, text)] == []


def test_a_catastrophic_pattern_ends_in_no_match() -> None:
    assert not patterns.matches(r"(?:(a+)+\1?)+b", "a" * 40)


def test_a_pattern_that_is_none_cannot_be_held() -> None:
    assert patterns.compiled("a{1}{2}") is None
    assert patterns.matches("a{1}{2}", "anything")


@settings(deadline=None)
@given(st.text("abAB09_-.:/ é\n", max_size=20))
def test_a_translated_class_agrees_with_its_definition(text: str) -> None:
    expected = bool(text) and all(char.isascii() and (char.isalnum() or char == "_") for char in text)
    assert patterns.matches(r"\w+", text) == patterns.matches(r"[\w]+", text) == expected


class Interrupted:
    """An expression whose first matches meet a machine that is busy with something else."""

    def __init__(self, interruptions: int) -> None:
        self.interruptions = interruptions

    def fullmatch(self, text: str, *, timeout: float) -> str:
        if self.interruptions:
            self.interruptions -= 1
            raise TimeoutError
        return text


def test_a_good_value_is_not_refused_because_the_machine_was_busy() -> None:
    assert patterns.covers(Interrupted(patterns.TRIES - 1), "good")


def test_a_value_that_never_comes_to_an_end_is_refused() -> None:
    assert not patterns.covers(Interrupted(patterns.TRIES), "endless")
