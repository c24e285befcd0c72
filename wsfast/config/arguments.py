"""Checks of what a program gives, made where it is given, with what to write instead."""

from __future__ import annotations

__all__ = ["check_int", "check_type"]


def check_type(
    name: str, value: object, kinds: type | tuple[type, ...], wanted: str, *, shown: bool = True
) -> None:
    """Check the type of an argument.

    Args:
        name: of the argument.
        value: as it was given.
        kinds: the types that it may have.
        wanted: what it must be, for the error: "a str, as 'chat'".
        shown: False for what is secret, of which the error tells the type only.

    Raises:
        TypeError: it has another type.
    """
    if not isinstance(value, kinds):
        given = repr(value) if shown else f"{type(value).__name__}"
        raise TypeError(f"{name} must be {wanted}, not {given}")


def check_int(name: str, value: object, lowest: int, highest: int | None = None) -> None:
    """Check a number.

    Raises:
        TypeError: it is no int, or a bool.
        ValueError: it is too low, or too high.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int, not {value!r}")
    if value < lowest or (highest is not None and value > highest):
        wanted = f"{lowest} or more" if highest is None else f"from {lowest} to {highest}"
        raise ValueError(f"{name} is {value}, and must be {wanted}")
