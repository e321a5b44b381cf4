"""REST paths to operations: one trie per service, compiled from the ``requestUri`` templates of its model.

A template is literal segments, labels ``{Name}`` (one non-empty segment) and greedy labels ``{Name+}`` (the rest of the
path, perhaps with literal segments after it), plus literal query parameters. Matching walks the segments and always tries
the most specific continuation first: literal, label, greedy label. Several operations may share a template and differ only
in the query string or a header (`Rule`); there the most literal query parameters win, then the most *required* query
parameters and headers present, then the operation that is not deprecated.

AWS: segments are split before they are percent-decoded, so ``%2F`` never separates; a slash at the end is ignored except in
a greedy label.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote


@dataclass(frozen=True, slots=True)
class RestOperation:
    """The parts of an operation's model the trie needs.

    Attributes:
        name: operation name.
        method: HTTP method.
        uri: the template, perhaps with literal query parameters.
        required_query: query parameters of required members.
        required_headers: headers (lower case) of required members.
        deprecated: the model calls it deprecated.
    """

    name: str
    method: str
    uri: str
    required_query: frozenset[str]
    required_headers: frozenset[str]
    deprecated: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """One operation at the end of a path.

    Attributes:
        operation: its name.
        labels: label names in the order their values appear.
        literals: query parameters that must be there; None for any value.
        required_query: names of required members that travel in the query string.
        required_headers: names (lower case) of required members that travel in headers.
        deprecated: the model calls the operation deprecated.
    """

    operation: str
    labels: tuple[str, ...]
    literals: tuple[tuple[str, str | None], ...]
    required_query: frozenset[str]
    required_headers: frozenset[str]
    deprecated: bool

    def matches(self, query: Mapping[str, str], headers: Mapping[str, str], *, strictly: bool) -> bool:
        """Whether the literal parameters are there and, if ``strictly``, the required members too."""
        for name, value in self.literals:
            found = query.get(name)
            if found is None or (value is not None and found != value):
                return False
        return not strictly or (self.required_query <= query.keys() and self.required_headers <= headers.keys())


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All operations with one method at one place, best first."""

    rules: tuple[Rule, ...]

    def choose(self, query: str, headers: Mapping[str, str]) -> Rule | None:
        """The operation for this query string and these headers, or None."""
        rules = self.rules
        if len(rules) == 1 and not rules[0].literals:
            return rules[0]
        fields = query_fields(query)
        for index, rule in enumerate(rules):
            # The last of a group with the same literals takes what its more demanding sisters left.
            is_last = index + 1 == len(rules) or rules[index + 1].literals != rule.literals
            if rule.matches(fields, headers, strictly=not is_last):
                return rule
        return None


@dataclass(slots=True)
class _Node:
    literals: dict[str, _Node] = field(default_factory=dict)
    label: _Node | None = None
    greedy: list[tuple[tuple[str, ...], dict[str, RuleSet]]] = field(default_factory=list)
    ends: dict[str, RuleSet] = field(default_factory=dict)


class Trie:
    """The paths of one service."""

    def __init__(self, operations: Iterable[RestOperation]) -> None:
        self._root = _Node()
        for operation in operations:
            self._add(operation)

    def match(self, method: str, path: str, query: str, headers: Mapping[str, str]) -> tuple[str, dict[str, str]] | None:
        """The operation for a request and its labels' values, percent-decoded once.

        Raises:
            UnicodeDecodeError: a percent-encoded segment is not UTF-8.
        """
        segments = path[1:].split("/")
        if "%" in path:
            segments = [unquote(segment, errors="strict") if "%" in segment else segment for segment in segments]
        values: list[str] = []
        rule = _walk(self._root, segments, 0, values, (method, query, headers))
        if rule is None:
            return None
        return rule.operation, dict(zip(rule.labels, values, strict=True))

    def _add(self, operation: RestOperation) -> None:
        path, _, query = operation.uri.partition("?")
        segments = path[1:].split("/")
        node = self._root
        ends = node.ends
        labels: list[str] = []
        for index, segment in enumerate(segments):
            if segment.endswith("+}"):
                labels.append(segment[1:-2])
                ends = _greedy_ends(node, tuple(segments[index + 1 :]))
                break
            if segment.startswith("{"):
                labels.append(segment[1:-1])
                node.label = node = node.label or _Node()
            elif segment:  # the root and templates written with a slash at the end add nothing
                node = node.literals.setdefault(segment, _Node())
            ends = node.ends
        rule = Rule(
            operation.name,
            tuple(labels),
            _literals(query),
            operation.required_query,
            operation.required_headers,
            operation.deprecated,
        )
        others = ends[operation.method].rules if operation.method in ends else ()
        ends[operation.method] = RuleSet(tuple(_without_shadowed(sorted((*others, rule), key=_preference))))


_Request = tuple[str, str, Mapping[str, str]]


def _walk(node: _Node, segments: list[str], index: int, values: list[str], request: _Request) -> Rule | None:
    """The best rule under ``node`` for the segments from ``index``; leaves the labels' values in ``values``."""
    left = len(segments) - index
    if (left == 0 or (left == 1 and not segments[index])) and node.ends:
        found = _choose(node.ends, request)
        if found is not None or left == 0:
            return found
    if left == 0:
        return None
    segment = segments[index]
    child = node.literals.get(segment)
    if child is not None and (found := _walk(child, segments, index + 1, values, request)):
        return found
    if segment and node.label is not None:
        values.append(segment)
        if found := _walk(node.label, segments, index + 1, values, request):
            return found
        values.pop()
    for suffix, ends in node.greedy:
        end = len(segments) - len(suffix)
        if index < end and tuple(segments[end:]) == suffix and (value := "/".join(segments[index:end])):
            values.append(value)
            if found := _choose(ends, request):
                return found
            values.pop()
    return None


def _choose(ends: dict[str, RuleSet], request: _Request) -> Rule | None:
    method, query, headers = request
    rule_set = ends.get(method)
    return rule_set.choose(query, headers) if rule_set is not None else None


def _greedy_ends(node: _Node, suffix: tuple[str, ...]) -> dict[str, RuleSet]:
    for known, ends in node.greedy:
        if known == suffix:
            return ends
    ends = {}
    node.greedy.append((suffix, ends))
    node.greedy.sort(key=lambda entry: -len(entry[0]))
    return ends


def _preference(rule: Rule) -> tuple[object, ...]:
    required = len(rule.required_query) + len(rule.required_headers)
    return (-len(rule.literals), repr(rule.literals), -required, rule.deprecated, rule.operation)


def _without_shadowed(rules: list[Rule]) -> Iterator[Rule]:
    """Drop deprecated rules that nothing on the wire tells from a current one (S3's GetBucketLifecycle)."""
    current = {_tells_apart(rule) for rule in rules if not rule.deprecated}
    return (rule for rule in rules if not rule.deprecated or _tells_apart(rule) not in current)


def _tells_apart(rule: Rule) -> tuple[object, ...]:
    return rule.literals, rule.required_query, rule.required_headers


def _literals(query: str) -> tuple[tuple[str, str | None], ...]:
    pairs = (part.partition("=") for part in query.split("&") if part)
    return tuple(sorted((name, value if equals else None) for name, equals, value in pairs))


def query_fields(query: str) -> dict[str, str]:
    """First value of every query parameter; a parameter without ``=`` has the empty value."""
    fields: dict[str, str] = {}
    if not query:
        return fields
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if "%" in part or "+" in part:
            name, value = unquote(name.replace("+", " ")), unquote(value.replace("+", " "))
        fields.setdefault(name, value)
    return fields
