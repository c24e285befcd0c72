"""Header fields (RFC 9110 section 5): what may stand in them, and a small container for them.

It knows names and values, and the lines they make on the wire; what any header means is known
elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

__all__ = ["TOKEN", "HeaderItems", "Headers", "is_token", "short"]

# What may be given where headers are wanted.
HeaderItems: TypeAlias = "Headers | Mapping[str, str] | Iterable[tuple[str, str]]"

# RFC 9110 section 5.6.2.
TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
is_token = re.compile(TOKEN).fullmatch

_is_value = re.compile(r"[\t -~\x80-\xff]*").fullmatch
_OWS = " \t"


class Headers:
    """The header fields of a message: ordered, a name any number of times, its case ignored.

    They are kept as one string, the lines of the wire, since they stay with a connection as long as
    it lives: a browser's take half a kilobyte that way, and three as a list of pairs.

    Args:
        items: pairs of name and value, or a mapping.

    Attributes:
        lines: the wire's: each with its line break behind it, and one in front of the first.

    Raises:
        ValueError: a name that is no token, or a value that no header can carry (RFC 9110 section
            5.5), as one with a line break.
        TypeError: no such items, or a name or a value that is no string.
    """

    __slots__ = ("lines",)

    def __init__(self, items: HeaderItems = ()) -> None:
        self.lines = "\r\n"  # then each field and its line break
        for name, value in items.items() if isinstance(items, Mapping | Headers) else _pairs(items):
            self.add(name, value)

    @classmethod
    def from_lines(cls, lines: str) -> Headers:
        """Headers of lines of the wire that are known to be good; nothing is checked.

        Args:
            lines: each with its line break behind it, and one in front of the first.
        """
        headers = cls.__new__(cls)
        headers.lines = lines
        return headers

    def add(self, name: str, value: str) -> None:
        """Append a field, also where there is one of that name.

        Raises:
            ValueError: see the class.
        """
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"header {name!r} has the value {value!r}, and both must be a str")
        if not is_token(name):
            raise ValueError(f"header name {name!r} is not a token (RFC 9110 section 5.1)")
        if not _is_value(value):
            raise ValueError(
                f"header {name} has the value {value!r}, and no header can carry "
                "line breaks, other control characters, or characters beyond Latin-1"
            )
        self.lines += f"{name}: {value}\r\n"

    def get_all(self, name: str) -> list[str]:
        """Every value of a name, in order; without the whitespace around them."""
        text = self.lines
        lowered = text.lower()  # keeps every place, for text of Latin-1
        mark = f"\r\n{name.lower()}:"
        values = []
        place = lowered.find(mark)
        while place >= 0:
            start = place + len(mark)
            end = text.index("\r\n", start)
            values.append(text[start:end].strip(_OWS))
            place = lowered.find(mark, end)
        return values

    def __getitem__(self, name: str) -> str:
        """The value of a name; several are joined by ``", "`` (RFC 9110 section 5.3).

        Raises:
            KeyError: there is none.
        """
        values = self.get_all(name)
        if not values:
            raise KeyError(name)
        return values[0] if len(values) == 1 else ", ".join(values)

    def get(self, name: str, default: str | None = None) -> str | None:
        """The value of a name like ``[name]``, or a default."""
        values = self.get_all(name)
        return ", ".join(values) if values else default

    def items(self) -> list[tuple[str, str]]:
        """The fields in order, names in the spelling they came in."""
        fields = [line.partition(":") for line in self.lines.split("\r\n")[1:-1]]
        return [(name, value.strip(_OWS)) for name, _, value in fields]

    def by_name(self) -> dict[str, list[str]]:
        """All values, by their names in lower case: one pass, for whoever looks for many."""
        found: dict[str, list[str]] = {}
        for line in self.lines.split("\r\n")[1:-1]:
            name, _, value = line.partition(":")
            found.setdefault(name.lower(), []).append(value.strip(_OWS))
        return found

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and f"\r\n{name.lower()}:" in self.lines.lower()

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self.items()])

    def __len__(self) -> int:
        return self.lines.count("\r\n") - 1

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        mine, others = self.items(), other.items()
        return [(name.lower(), value) for name, value in mine] == [
            (name.lower(), value) for name, value in others
        ]

    __hash__ = None  # type: ignore[assignment]  # it can grow

    def __repr__(self) -> str:
        return f"Headers({self.items()!r})"


def _pairs(items: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    try:
        if isinstance(items, (str, bytes)):
            raise TypeError
        return [(name, value) for name, value in items]
    except (TypeError, ValueError):
        raise TypeError(
            "headers must be a mapping or a list of pairs, as {'X-Name': 'value'}, "
            f"not {type(items).__name__}"
        ) from None


def short(text: str) -> str:
    """Cut what a peer sent to a length that is fit for a log or a response."""
    return text if len(text) <= 200 else text[:197] + "..."
