"""Header fields: RFC 9110 section 5."""

import tracemalloc

import pytest

from wsfast.protocol.headers import Headers, short

FIELDS = [("Host", "example.com"), ("X-Twice", "1"), ("Cookie", "a=b"), ("x-twice", "2")]


@pytest.fixture
def headers():
    return Headers(FIELDS)


def test_they_are_made_of_pairs_of_a_mapping_or_of_headers(headers):
    assert Headers({"Host": "example.com"}).items() == FIELDS[:1]
    assert Headers(headers).items() == FIELDS


def test_they_keep_order_and_spelling(headers):
    assert headers.items() == FIELDS
    assert list(headers) == ["Host", "X-Twice", "Cookie", "x-twice"]


@pytest.mark.parametrize("name", ["Cookie", "cookie", "COOKIE"])
def test_the_case_of_a_name_does_not_matter(headers, name):
    assert headers[name] == headers.get(name) == "a=b"
    assert headers.get_all(name) == ["a=b"]
    assert name in headers


def test_several_values_of_a_name_are_joined(headers):
    assert headers["X-Twice"] == headers.get("X-Twice") == "1, 2"
    assert headers.get_all("X-Twice") == ["1", "2"]


def test_what_is_not_there(headers):
    assert "Cook" not in headers
    assert "a=b" not in headers
    assert 1 not in headers
    assert headers.get_all("Cook") == []
    assert headers.get("Cook") is None
    assert headers.get("Cook", "default") == "default"
    with pytest.raises(KeyError, match="Cook"):
        headers["Cook"]


def test_values_by_name_in_lower_case(headers):
    assert headers.by_name() == {"host": ["example.com"], "x-twice": ["1", "2"], "cookie": ["a=b"]}


def test_they_can_be_empty():
    headers = Headers()
    assert (len(headers), headers.items(), headers.by_name(), list(headers)) == (0, [], {}, [])


def test_their_length_is_the_number_of_fields(headers):
    assert len(headers) == 4
    headers.add("More", "")
    assert len(headers) == 5
    assert headers["More"] == ""


def test_whitespace_around_a_value_is_no_part_of_it():
    headers = Headers({"Spaced": " \t a \t b\t "})
    assert headers["Spaced"] == "a \t b"
    assert headers.items() == [("Spaced", "a \t b")]
    assert headers.by_name() == {"spaced": ["a \t b"]}


def test_equality_ignores_the_case_of_names_and_spaces():
    assert Headers({"Host": "a"}) == Headers({"HOST": " a "})
    for other in ({"Host": "A"}, {"Host": "a", "b": "c"}, {"Hosts": "a"}):
        assert Headers({"Host": "a"}) != Headers(other)
    assert Headers() != {}
    with pytest.raises(TypeError):
        hash(Headers())


def test_repr():
    assert repr(Headers({"Host": "a"})) == "Headers([('Host', 'a')])"


def test_a_value_may_have_characters_of_latin_1():
    value = "".join(map(chr, range(0xA0, 0x100)))
    headers = Headers([("First", value), ("Second", "b")])
    assert headers["first"] == value
    assert headers["second"] == "b"


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "é", "a\x00"])
def test_a_name_is_a_token(name):
    with pytest.raises(ValueError, match="is not a token"):
        Headers({name: "value"})


@pytest.mark.parametrize(
    "value", ["a\r\nSet-Cookie: b", "a\nb", "a\rb", "a\n", "a\x00b", "\x7f", "ł", "😀"]
)
def test_nothing_can_be_injected_by_a_value(value):
    headers = Headers()
    with pytest.raises(ValueError, match="no header can carry"):
        headers.add("Name", value)
    assert len(headers) == 0


def test_a_browsers_headers_take_less_than_a_kilobyte():
    fields = [("Cookie", "c" * 300), *((f"Name-{i}", "value" * 4) for i in range(12))]
    tracemalloc.start()
    kept = [Headers(fields) for _ in range(100)]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 1024 * len(kept)
    assert not hasattr(kept[0], "__dict__")


def test_what_is_long_is_shortened():
    assert short("a" * 200) == "a" * 200
    assert short("a" * 201) == "a" * 197 + "..."
