from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functory.aws.routing.trie import RestOperation, Trie, query_fields


def operation(name: str, uri: str, method: str = "GET", **more: object) -> RestOperation:
    facts: dict[str, object] = {"required_query": frozenset(), "required_headers": frozenset(), "deprecated": False, **more}
    return RestOperation(name, method, uri, **facts)  # type: ignore[arg-type]


def found(trie: Trie, path: str, query: str = "", method: str = "GET", **headers: str) -> tuple[str, dict[str, str]] | None:
    return trie.match(method, path, query, headers)


def test_a_literal_segment_goes_before_a_label() -> None:
    trie = Trie([operation("Get", "/things/{Name}"), operation("List", "/things/list")])
    assert found(trie, "/things/list") == ("List", {})
    assert found(trie, "/things/lists") == ("Get", {"Name": "lists"})


def test_a_label_goes_before_a_greedy_one() -> None:
    trie = Trie([operation("Object", "/{Bucket}/{Key+}"), operation("Bucket", "/{Bucket}")])
    assert found(trie, "/b") == ("Bucket", {"Bucket": "b"})
    assert found(trie, "/b/") == ("Bucket", {"Bucket": "b"})
    assert found(trie, "/b/k") == ("Object", {"Bucket": "b", "Key": "k"})
    assert found(trie, "/b//a//k/") == ("Object", {"Bucket": "b", "Key": "/a//k/"})


def test_a_dead_end_is_left_again() -> None:
    trie = Trie([operation("Special", "/a/special/x"), operation("General", "/a/{Name}/y")])
    assert found(trie, "/a/special/y") == ("General", {"Name": "special"})


def test_a_greedy_label_may_have_literals_after_it() -> None:
    trie = Trie([operation("Policy", "/arns/{Arn+}/policy"), operation("Any", "/arns/{Arn+}")])
    assert found(trie, "/arns/a/b/policy") == ("Policy", {"Arn": "a/b"})
    assert found(trie, "/arns/a/b") == ("Any", {"Arn": "a/b"})
    assert found(trie, "/arns/policy") == ("Any", {"Arn": "policy"})


def test_an_encoded_slash_does_not_separate() -> None:
    trie = Trie([operation("Tags", "/tags/{Arn}")])
    assert found(trie, "/tags/arn%3Aaws%3Ax%2Fy%20z%252F") == ("Tags", {"Arn": "arn:aws:x/y z%2F"})
    assert found(trie, "/tags/a/b") is None


def test_an_encoded_literal_is_still_that_literal() -> None:
    trie = Trie([operation("Post", "/@connections/{Id}")])
    assert found(trie, "/%40connections/1") == ("Post", {"Id": "1"})


def test_a_label_is_never_empty() -> None:
    trie = Trie([operation("Get", "/things/{Name}/config")])
    assert found(trie, "/things//config") is None


def test_a_slash_at_the_end_is_ignored_in_template_and_path() -> None:
    trie = Trie([operation("List", "/things/"), operation("Root", "/")])
    assert found(trie, "/things") == found(trie, "/things/") == ("List", {})
    assert found(trie, "/") == ("Root", {})
    assert found(trie, "/things//") is None


def test_the_method_counts() -> None:
    trie = Trie([operation("Get", "/x"), operation("Put", "/x", "PUT")])
    assert found(trie, "/x", method="PUT") == ("Put", {})
    assert found(trie, "/x", method="POST") is None


def test_the_most_literal_parameters_win() -> None:
    trie = Trie(
        [
            operation("ListObjects", "/{B}"),
            operation("ListObjectsV2", "/{B}?list-type=2"),
            operation("Select", "/{B}?select&select-type=2"),
            operation("Old", "/{B}?select"),
        ]
    )
    assert found(trie, "/b", "prefix=x") == ("ListObjects", {"B": "b"})
    assert found(trie, "/b", "prefix=x&list-type=2") == ("ListObjectsV2", {"B": "b"})
    assert found(trie, "/b", "list-type=1") == ("ListObjects", {"B": "b"})
    assert found(trie, "/b", "select&select-type=2") == ("Select", {"B": "b"})
    assert found(trie, "/b", "select=") == ("Old", {"B": "b"})


def test_required_query_parameters_and_headers_tell_twins_apart() -> None:
    part, source = frozenset({"partNumber", "uploadId"}), frozenset({"x-amz-copy-source"})
    trie = Trie(
        [
            operation("PutObject", "/{B}/{K+}", "PUT"),
            operation("CopyObject", "/{B}/{K+}", "PUT", required_headers=source),
            operation("UploadPart", "/{B}/{K+}", "PUT", required_query=part),
            operation("UploadPartCopy", "/{B}/{K+}", "PUT", required_query=part, required_headers=source),
        ]
    )
    upload = "partNumber=1&uploadId=x"
    copy = {"x-amz-copy-source": "/b/k"}
    for query, headers, name in (
        ("", {}, "PutObject"),
        ("", copy, "CopyObject"),
        (upload, {}, "UploadPart"),
        (upload, copy, "UploadPartCopy"),
        ("partNumber=1", {}, "PutObject"),
    ):
        assert trie.match("PUT", "/b/k", query, headers) == (name, {"B": "b", "K": "k"})


def test_a_missing_required_parameter_alone_is_left_to_validation() -> None:
    trie = Trie([operation("Untag", "/tags/{Arn}", "DELETE", required_query=frozenset({"tagKeys"}))])
    assert found(trie, "/tags/a", method="DELETE") == ("Untag", {"Arn": "a"})


def test_a_deprecated_twin_is_never_chosen() -> None:
    trie = Trie([operation("A", "/{B}?lifecycle", deprecated=True), operation("B", "/{B}?lifecycle")])
    assert found(trie, "/b", "lifecycle") == ("B", {"B": "b"})


def test_a_path_that_is_not_utf8_raises() -> None:
    with pytest.raises(UnicodeDecodeError):
        found(Trie([operation("Get", "/{Name}")]), "/%ff")


def test_query_fields_keep_the_first_of_each_name() -> None:
    assert query_fields("") == {}
    assert query_fields("a=1&a=2&b&c=%26+x") == {"a": "1", "b": "", "c": "& x"}


@settings(deadline=None)
@given(st.text("/ab", max_size=12).map("/".__add__), st.text("ab=&", max_size=8))
def test_labels_and_literals_give_back_the_path(path: str, query: str) -> None:
    trie = Trie(
        [operation("One", "/a/{X}"), operation("Two", "/{X}/{Y+}"), operation("Three", "/{X}?a"), operation("Four", "/")]
    )
    result = found(trie, path, query)
    if result is not None and result[0] == "Two":
        assert path == "/{X}/{Y}".format(**result[1])
