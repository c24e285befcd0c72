"""UTF-8 in Python: the specification of ``utf8_c``.

Bytes to text and back; no idea what a frame is. UTF-8 is RFC 3629's: no overlong form, no
surrogate, nothing above U+10FFFF.
"""

from __future__ import annotations

from codecs import utf_8_decode
from typing import NoReturn

from .buffers import Buffer, bytes_of, not_copied

__all__ = ["Utf8Validator", "decode_utf8", "encode_utf8", "is_valid_utf8"]


def is_valid_utf8(data: Buffer) -> bool:
    """Tell if the bytes are UTF-8 as a whole (RFC 3629).

    Args:
        data: bytes-like and contiguous, of any length.

    Raises:
        TypeError: ``data`` is not bytes-like.
        ValueError: ``data`` is not contiguous.
    """
    data = bytes_of(data, "data")
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def decode_utf8(data: Buffer) -> str:
    """Decode UTF-8 to text: the results and the errors of ``bytes.decode``.

    Args:
        data: bytes-like and contiguous, of any length.

    Raises:
        UnicodeDecodeError: ``data`` is not UTF-8; the same error that ``bytes.decode`` raises.
        TypeError: ``data`` is not bytes-like.
        ValueError: ``data`` is not contiguous.
    """
    return bytes_of(data, "data").decode()


def encode_utf8(text: str) -> bytes:
    """Encode text to UTF-8: the results and the errors of ``str.encode``.

    Args:
        text: a str, of any length.

    Raises:
        UnicodeEncodeError: ``text`` holds a surrogate; the same error that ``str.encode`` raises.
        TypeError: ``text`` is not a str.
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be a str, not {type(text).__name__}")
    return str.encode(text)


class Utf8Validator:
    """Validate UTF-8 that arrives in pieces, cut anywhere (RFC 6455 section 8.1).

    It fails at the first byte that no valid text could have there, without waiting for the end of
    the character. The interface is the one that wsaccel, autobahn and ws4py share. A validator
    belongs to one text and one thread at a time.

    >>> validator = Utf8Validator()
    >>> validator.validate(bytes.fromhex("61 e2 82"))
    (True, False, 3, 3)
    >>> validator.validate(bytes.fromhex("ac ff"))
    (False, False, 1, 4)
    """

    __slots__ = ("_failed", "_pending", "_total")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start again, with the first byte of a new text."""
        self._pending = b""
        self._total = 0
        self._failed = False

    def __reduce__(self) -> NoReturn:
        raise not_copied(self)

    def validate(self, data: Buffer) -> tuple[bool, bool, int, int]:
        """Take the next piece of the text.

        Args:
            data: bytes-like and contiguous, of any length.

        Returns:
            Whether the text can still be valid; whether it ends on a whole character; the index
            behind the last good byte in this piece; and the same in the whole text. After a
            failure these are the indexes of the first bad byte, and every further piece
            fails at its index 0.

        Raises:
            TypeError: ``data`` is not bytes-like.
            ValueError: ``data`` is not contiguous.
        """
        data = bytes_of(data, "data")
        if self._failed:
            return False, False, 0, self._total
        text = self._pending + data
        good, pending, failed = len(data), b"", False
        try:
            _, decoded = utf_8_decode(text, "strict", False)
        except UnicodeDecodeError as exc:
            failed = True
            good = first_error(exc) - len(self._pending)
        else:
            pending = text[decoded:]
            if b"\xed\xa0" <= pending < b"\xee":
                # Python keeps half a surrogate for the surrogatepass handler.
                failed = True
                good -= 1
        total = self._total + good
        result = not failed, not (failed or pending), good, total
        # Nothing can fail from here on: a piece is taken whole or not at all.
        self._pending, self._total, self._failed = pending, total, failed
        return result


def first_error(exc: UnicodeDecodeError) -> int:
    """Find the first byte that cannot belong to UTF-8 where it stands.

    Python points at the start of the character; this at the byte that spoils it, or, when the
    character only lacks bytes, at the end.
    """
    return exc.start if exc.reason == "invalid start byte" else exc.end
