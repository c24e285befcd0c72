"""Lists of extensions and of tokens: RFC 6455 section 9.1, RFC 9110 section 5.6."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsfast.protocol import extensions as module
from wsfast.protocol.extensions import format_extensions, parse_extensions, parse_tokens


def test_the_examples_of_the_docstrings():
    assert doctest.testmod(module).failed == 0
    assert doctest.testmod(module).attempted > 0


class TestTokens:
    @pytest.mark.parametrize(
        ("value", "tokens"),
        [
            ("", []),
            ("chat", ["chat"]),
            ("chat,superchat", ["chat", "superchat"]),
            ("  chat \t,\t superchat  ", ["chat", "superchat"]),
            (",, chat, ,", ["chat"]),
            ("a,b,a", ["a", "b", "a"]),
            ("v1.example+json, !#$%&'*+-.^_`|~", ["v1.example+json", "!#$%&'*+-.^_`|~"]),
        ],
    )
    def test_a_list(self, value, tokens):
        assert parse_tokens(value) == tokens

    @pytest.mark.parametrize("value", ["a b", "a, b c", "a/b", '"a"', "é", "a\x00", "a;b", "a=b"])
    def test_what_is_not_a_token(self, value):
        with pytest.raises(ValueError, match="is not a token"):
            parse_tokens(value)


class TestParse:
    @pytest.mark.parametrize(
        ("value", "extensions"),
        [
            ("", []),
            (" , ,", []),
            ("foo", [("foo", [])]),
            ("foo, bar", [("foo", []), ("bar", [])]),
            (",foo ,, bar,", [("foo", []), ("bar", [])]),
            ("foo; a", [("foo", [("a", None)])]),
            ("foo;a;b=1", [("foo", [("a", None), ("b", "1")])]),
            (" foo ; a = 1 ; b , bar", [("foo", [("a", "1"), ("b", None)]), ("bar", [])]),
            ('foo; a="1"', [("foo", [("a", "1")])]),
            (r'foo; a="\1\0"', [("foo", [("a", "10")])]),
            ("foo; a=1; a=2", [("foo", [("a", "1"), ("a", "2")])]),
            (
                "permessage-deflate; client_max_window_bits, permessage-deflate",
                [
                    ("permessage-deflate", [("client_max_window_bits", None)]),
                    ("permessage-deflate", []),
                ],
            ),
        ],
    )
    def test_a_header(self, value, extensions):
        assert parse_extensions(value) == extensions

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("foo bar", "a comma or a semicolon is wanted at character 4"),
            ("foo;", "a token is wanted at character 4"),
            ("foo; ;a", "a token is wanted at character 4"),
            (";foo", "a token is wanted at character 0"),
            ("=", "a token is wanted at character 0"),
            ("foo=1", "a comma or a semicolon is wanted at character 3"),
            ("foo; a=", "a token or a quoted string is wanted at character 7"),
            ("foo; a==1", "a token or a quoted string is wanted at character 7"),
            ('foo; a="1', "a token or a quoted string is wanted at character 7"),
            ('foo; a="1\\"', "a token or a quoted string is wanted at character 7"),
            ('foo; a="1"2', "a comma or a semicolon is wanted at character 10"),
            ('foo; "a"', "a token is wanted at character 4"),
            ("foo/1", "a comma or a semicolon is wanted at character 3"),
            ("foo; a=é", "a token or a quoted string is wanted at character 7"),
        ],
    )
    def test_the_place_of_what_is_wrong(self, value, text):
        with pytest.raises(ValueError, match=text):
            parse_extensions(value)

    @pytest.mark.parametrize("value", ['foo; a=""', 'foo; a="1 2"', 'foo; a="1,2"', r'foo; a="\""'])
    def test_what_was_quoted_is_a_token_all_the_same(self, value):
        with pytest.raises(ValueError, match=r"is not a token, as RFC 6455 section 9\.1"):
            parse_extensions(value)

    def test_a_long_header_of_quotation_marks_takes_no_time(self):
        with pytest.raises(ValueError, match="is wanted at character"):
            parse_extensions('foo; a="' + "\\" * 8001)

    @given(st.text(alphabet='a1 ,;="\\\té', max_size=20))
    def test_any_text_parses_or_is_a_value_error(self, value):
        try:
            extensions = parse_extensions(value)
        except ValueError:
            return
        assert parse_extensions(format_extensions(extensions)) == extensions


class TestFormat:
    @pytest.mark.parametrize("wrong", [("a b", []), ("a", [("", None)]), ("a", [("b", "c d")])])
    def test_what_is_not_a_token(self, wrong):
        with pytest.raises(ValueError, match="is not a token"):
            format_extensions([wrong])

    def test_parameters_may_stand_in_any_sequence(self):
        assert format_extensions([("a", (("b", None), ("c", "1")))]) == "a; b; c=1"
