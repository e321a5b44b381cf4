from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from functory.services.logs.pattern import PatternError, parse
from functory.services.logs.pattern_fields import Field, FieldsPattern
from functory.services.logs.pattern_json import JsonPattern
from functory.services.logs.pattern_regex import compiled
from functory.services.logs.pattern_terms import Literal, Term, TermsPattern
from functory.services.logs.pattern_values import Both, Check, Compare, Either, Expression, Leaf, Number, Regex, Text, Value

APACHE = '127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'
USERS = json.dumps(
    {
        "user": {"id": 1, "email": "John.Stiles@example.com"},
        "users": [{"id": 2, "email": "John.Doe@example.com"}, {"id": 3, "email": "Jane.Doe@example.com"}],
        "actions": ["GET", "PUT", "DELETE"],
        "coordinates": [[0, 1, 2], [4, 5, 6], [7, 8, 9]],
        "latency": 55.5,
        "code": "400",
        "none": None,
        "flag": True,
        "off": False,
        "big": 12345678901234567890,
        "with-dash_1": "x",
    }
)


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("", ["anything", ""], []),
        ("   ", ["anything"], []),
        ("ERROR", ["[ERROR] fatal", "ERRORCODE: -1"], ["error", "WARN"]),
        ("ERROR Exception", ["[ERROR] IllegalArgumentException"], ["[ERROR]", "Exception"]),
        ('"ERROR" -"Exiting"', ["[ERROR] x"], ["Exiting with ERRORCODE"]),
        ('ERROR - "Exiting"', ["[ERROR] x"], ["Exiting with ERRORCODE"]),
        ("-WARN", ["ERROR", ""], ["WARN message"]),
        ("?ERROR ?WARN", ["ERROR message", "WARN message"], ["INFO"]),
        ("?ERROR ?WARN REQUEST", ["REQUEST only"], ["ERROR only"]),
        ('"Failed to process"', ["[WARN] Failed to process it"], ["process Failed to"]),
        (r'"say \"hi\""', ['say "hi" now'], ["say hi"]),
        (r'"C:\temp\\"', ["in C:\\temp\\ today"], ["C:\\temp"]),
        ("%AUTHORIZED%", ["UNAUTHORIZED REQUEST"], ["nothing"]),
        (r"%\d{3}-[a-c]+%", ["see 123-abc"], ["12-abc"]),
        (r"%^START .*\[v1\]$%", ["START x [v1]"], [" START x [v1]"]),
        (r"%gr[ae]y|colou?r%", ["gray", "color"], ["groy"]),
        (r"%a\x28b%", ["a(b"], ["ab"]),
        (r"-%\s%", ["oneword"], ["two words"]),
        ("Grüße", ["viele Grüße"], ["Gruesse"]),
    ],
)
def test_terms(pattern: str, matching: list[str], other: list[str]) -> None:
    _check(pattern, matching, other)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ('{ $.user.email = "John.Stiles@example.com" }', True),
        ('{ $.user.email = "John.*" }', True),
        ('{ $.user.email = "*example*" }', True),
        ("{ $.user.email = *com }", True),
        ('{ $.user.email = "J*com" }', False),
        ('{ $.user.email != "X*" }', True),
        ("{$.user.id=1}", True),
        ("{ $.user.id = 1.0 }", True),
        ('{ $.user.id = "1" }', True),
        ("{ $.user.id != 2 }", True),
        ("{ $.code = 400 && $.code >= 4e2 }", True),
        ("{ $.latency >= 55.5 && $.latency < +56 && $.latency > -1 && $.latency <= 5.55e1 }", True),
        ("{ $.big = 12345678901234567890 }", True),
        ("{ $.big = 12345678901234567891 }", False),
        ('{ ($.user.id = 1) && ($.users[0].email = "John.Doe@example.com") }', True),
        ('{ ($.user.id = 2 && $.users[0].email = "nonmatch") || $.actions[2] = "GET" }', False),
        ("{ $.user.id = 1 || $.coordinates[0][1] = nonmatch && $.actions[2] = nomatch }", True),
        ("{ ($.user.id = 1 || $.coordinates[0][1] = nonmatch) && $.actions[2] = nomatch }", False),
        ("{ $.coordinates[2][1] = 8 }", True),
        ("{ $.coordinates[9][1] = 8 }", False),
        ("{ $.user[0] = 8 }", False),
        ("{ $.users = 1 }", False),
        ("{ $.users != 1 }", False),
        ("{ $.absent != 1 }", False),
        ("{ $.none IS NULL }", True),
        ("{ $.absent IS NULL }", False),
        ("{ $.none NOT EXISTS }", False),
        ("{ $.absent NOT EXISTS }", True),
        ("{ $.user.absent NOT EXISTS && $.flag IS TRUE && $.off IS FALSE }", True),
        ("{ $.off IS TRUE }", False),
        ("{ $.flag = true }", True),
        ("{ $.flag = 1 }", False),
        ("{ $.latency = * }", True),
        ("{ $.absent = * }", False),
        ("{ $.with-dash_1 = x }", True),
        (r"{ $.user.email = %^John\.\w+@% }", True),
        (r"{ $.user.email != %^Jane% }", True),
        ("{ $.code = %^4% }", True),
    ],
)
def test_json(pattern: str, expected: bool) -> None:
    _check(pattern, [USERS] if expected else [], [] if expected else [USERS])


def test_what_is_no_json_never_matches_a_json_pattern() -> None:
    _check("{ $.a NOT EXISTS }", ["{}", "[]", ' {"b": 1}'], ["", "text", '"text"', "{", '{"a": 1}', "[" * 5000])


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("[ip, user, username, timestamp, request, status_code, bytes]", True),
        ("[ip, user, username, timestamp, request, status_code]", False),
        ("[ip, user, username, timestamp, request, status_code, bytes, more]", False),
        ("[..., status_code, bytes]", True),
        ("[ip, user, ..., status_code, bytes]", True),
        ("[ip, user, ...]", True),
        ("[a, b, c, d, e, f, g, ...]", True),
        ("[a, b, c, d, e, f, g, h, ...]", False),
        ("[..., request=*.html*, status_code=4*,]", True),
        ("[..., request, status_code = 404, bytes > 1000]", True),
        ("[..., status_code != 403, bytes]", True),
        ("[..., status_code = 4* && status_code != 404, bytes]", False),
        ("[..., (status_code = 500 || status_code = 404) && status_code < 405, bytes]", True),
        ("[ip = 127.0.0.*, ...]", True),
        ("[ip = %127\\.0\\.[0-9]%, ...]", True),
        ("[ip, user=-, ...]", True),
        ("[w1=!ERROR&&w1=!WARN, ...]", True),
        ("[ip > 1, ...]", False),
        ('[..., request = "GET *", status, bytes]', True),
    ],
)
def test_fields(pattern: str, expected: bool) -> None:
    _check(pattern, [APACHE] if expected else [], [] if expected else [APACHE])


def test_extracted_values_are_named_by_field_number_or_selector() -> None:
    assert parse("[..., request=*.html*, status_code=4*,]").extract(APACHE) == {
        "$1": "127.0.0.1",
        "$2": "-",
        "$3": "frank",
        "$4": "10/Oct/2000:13:25:15 -0700",
        "$request": "GET /index.html HTTP/1.0",
        "$status_code": "404",
        "$7": "1534",
    }
    pattern = "{ $.user.id = 1 && $.flag IS TRUE && $.absent NOT EXISTS && $.actions[0] = GET }"
    assert parse(pattern).extract(USERS) == {"$.user.id": "1", "$.flag": "true", "$.actions[0]": "GET"}
    assert parse("John").extract(USERS) == {}


def test_brackets_without_an_end_are_words() -> None:
    assert parse("[a, b, c]").extract('[x "y z') == {"$a": "[x", "$b": '"y', "$c": "z"}


@pytest.mark.parametrize(
    "pattern",
    [
        "email@example.com",
        "a.b",
        "-",
        "?",
        '"open',
        '""',
        '"a"b',
        "%open",
        "%a(b)%",
        "%a!%",
        "%ü%",
        "%%",
        "%[a%",
        "%[]%",
        "%a{2000}%",
        "%a{e}%",
        "%a**%",
        "%*%",
        "%\\q%",
        "%[z-a]%",
        "{ }",
        "{}",
        "{",
        "[",
        "{ $.a }",
        "{ $.a = }",
        "{ $ = 1 }",
        "{ $[0] = 1 }",
        "{ a = 1 }",
        "{ $.a = 'x' }",
        "{ $.a < x }",
        '{ $.a < "1" }',
        "{ $.a = 1 && }",
        "{ ($.a = 1 }",
        "{ $.a = 1) }",
        "{ $.a IS MAYBE }",
        "{ $.a EXISTS }",
        "{ $.a = %x% && $.b = %y% && $.c = %z% }",
        "{" + "(" * 500 + "$.a = 1" + ")" * 500 + "}",
        "[..., a, ...]",
        "[a = 1 && b = 2]",
        "[a b]",
        "[a = ]",
        "[= 4]",
        "[a = 1 || b]",
    ],
)
def test_what_aws_refuses_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        parse(pattern)


def test_errors_are_worded_as_aws_words_them() -> None:
    for pattern, text in (
        ("{$.a=1", "If a filter pattern starts with '{' it must end with '}'"),
        ('""', "Invalid filter pattern: Invalid character(s) in term '\"\"'"),
        ("%a(b%", "Invalid filter pattern: Invalid character(s) in term '%a(b%'"),
        ("{ $.a = }", "Invalid filter pattern"),
    ):
        with pytest.raises(PatternError) as refused:
            parse(pattern)
        assert str(refused.value) == text


def test_a_slow_expression_is_given_up() -> None:
    with pytest.raises(PatternError, match="too long"):
        parse("%a*a*a*a*a*a*[bc][de]%").matches("ab" * 5 + "a" * 20_000)


@given(st.text(max_size=80), st.text(max_size=80))
@example("{\x00}", "")
def test_any_text_parses_or_is_refused(pattern: str, message: str) -> None:
    _never_crashes(pattern, message)


PIECES = [
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "$",
    ".a",
    ".b[0]",
    "=",
    "!=",
    "<",
    ">=",
    "&&",
    "||",
    " ",
    ",",
    "...",
    "x",
    "4*",
    '"',
]
PIECES += ["%", "\\", "-", "?", "*", "+", "^", "1", "IS NULL", "NOT EXISTS", "\\d", "{2,3}", "[^a-z]", "|"]


@given(st.sampled_from(["{%s}", "[%s]", "%%%s%%", "%s"]), st.lists(st.sampled_from(PIECES), max_size=12))
def test_any_mixture_of_pieces_parses_or_is_refused(frame: str, pieces: list[str]) -> None:
    _never_crashes(frame % "".join(pieces), '{"a": {"b": ["x"]}} 4x [y]')


def _never_crashes(pattern: str, message: str) -> None:
    try:
        parsed = parse(pattern)
    except PatternError:
        return
    assert parse(str(parsed)) == parsed
    if parsed.matches(message):
        parsed.extract(message)


TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=8)
REGEXES = st.sampled_from([r"\d+", "a|b", "[^x-z]?", r"\.", "^a$", "a{1,2}"]).map(Regex)
NUMBERS = st.one_of(st.integers().map(str), st.floats(allow_nan=False, allow_infinity=False).map(str)).map(Number)
NAMES = st.from_regex(r"[A-Za-z0-9_\-]{1,6}", fullmatch=True)
SELECTORS = st.tuples(NAMES, st.lists(st.one_of(NAMES, st.integers(0, 99)), max_size=3)).map(
    lambda parts: (parts[0], *parts[1])
)


def _comparisons(selectors: st.SearchStrategy[Any], values: st.SearchStrategy[Value]) -> st.SearchStrategy[Compare]:
    equal = st.builds(Compare, selectors, st.sampled_from(["=", "!="]), st.one_of(TEXTS.map(Text), values))
    return st.one_of(equal, st.builds(Compare, selectors, st.sampled_from(["<", "<=", ">", ">="]), NUMBERS))


def _expressions(leaves: st.SearchStrategy[Leaf]) -> st.SearchStrategy[Expression]:
    def group(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
        parts = st.lists(inner, min_size=2, max_size=3).map(tuple)
        return st.one_of(st.builds(Both, parts), st.builds(Either, parts))

    return st.recursive(leaves, group, max_leaves=6)


TERMS: st.SearchStrategy[Term] = st.one_of(TEXTS.filter(bool).map(Literal), REGEXES)
TESTS = st.builds(Check, SELECTORS, st.sampled_from(["IS NULL", "IS TRUE", "IS FALSE", "NOT EXISTS"]))
FIELD = NAMES.flatmap(
    lambda name: st.builds(Field, st.just(name), st.one_of(st.none(), _expressions(_comparisons(st.just((name,)), NUMBERS))))
)
FIELDS = st.lists(FIELD, min_size=1, max_size=4).map(tuple)


@given(
    st.one_of(
        st.builds(TermsPattern, *[st.lists(TERMS, max_size=3).map(tuple)] * 3),
        st.builds(JsonPattern, _expressions(st.one_of(_comparisons(SELECTORS, NUMBERS), TESTS))),
        st.builds(JsonPattern, _comparisons(SELECTORS, REGEXES)),
        st.builds(FieldsPattern, FIELDS, st.one_of(st.none(), FIELDS, st.just(()))),
    )
)
def test_a_pattern_is_parsed_back_from_its_text(pattern: TermsPattern | JsonPattern | FieldsPattern) -> None:
    assert parse(str(pattern)) == pattern


@given(st.text(min_size=1, max_size=8), st.text(max_size=20))
def test_a_quoted_term_matches_exactly_the_messages_that_contain_it(term: str, message: str) -> None:
    assert parse(str(Literal(term))).matches(message) == (term in message)


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)


@given(DOCUMENTS)
def test_every_scalar_of_a_document_is_found_by_its_selector(document: Any) -> None:
    message = json.dumps({"root": document})
    for selector, value in _scalars(("root",), document):
        if value is None:
            wanted: Leaf = Check(selector, "IS NULL")
        elif isinstance(value, str):
            wanted = Compare(selector, "=", Text(value)) if "*" not in value else Compare(selector, "=", Text("*"))
        else:
            wanted = Compare(selector, "=", Text(json.dumps(value)))
        assert JsonPattern(wanted).matches(message)


def _scalars(selector: tuple[str | int, ...], value: Any) -> list[tuple[tuple[str | int, ...], Any]]:
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in _scalars((*selector, key), inner)]
    if isinstance(value, list):
        return [found for index, inner in enumerate(value) for found in _scalars((*selector, index), inner)]
    return [(selector, value)]


def test_expressions_are_compiled_once() -> None:
    assert compiled("a+") is compiled("a+")


def _check(pattern: str, matching: list[str], other: list[str]) -> None:
    parsed = parse(pattern)
    assert parse(str(parsed)) == parsed
    assert [message for message in matching if not parsed.matches(message)] == []
    assert [message for message in other if parsed.matches(message)] == []
