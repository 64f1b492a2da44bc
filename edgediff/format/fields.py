"""JSON that is not believed: which fields an object has, and what is in them."""

import re
from collections.abc import Mapping
from typing import Any

from edgediff.diff import Base
from edgediff.errors import FormatError

MAX_NUMEL = 1 << 40
"""Entries of a tensor, and parameters of a base."""
MAX_WIDTH = 1 << 20
MAX_DIMENSIONS = 8


def check_fields(plain: Any, fields: Mapping[str, type], where: str) -> None:
    """Check that `plain` is an object with these fields and no other, each of its type.

    Raises:
        FormatError: it is not; the text begins with `where`.
    """
    if not isinstance(plain, dict) or plain.keys() != fields.keys():
        raise FormatError(f"{where}: expected an object with the fields {', '.join(fields)}")
    for name, kind in fields.items():
        if type(plain[name]) is not kind:  # True is no int here
            raise FormatError(f"{where}: {name} is {plain[name]!r:.60}, expected {kind.__name__}")


def base_of(plain: Any, where: str) -> Base:
    """The base that an object describes.

    Raises:
        FormatError: as `check_fields`, or something in it is beyond its range.
    """
    check_fields(plain, {"name": str, "fingerprint": str, "parameters": int, "width": int}, where)
    if not re.fullmatch("[0-9a-f]{64}", plain["fingerprint"]):
        raise FormatError(f"{where}: the fingerprint is not 64 hexadecimal digits")
    if not 0 < plain["parameters"] <= MAX_NUMEL or not 0 < plain["width"] <= MAX_WIDTH:
        raise FormatError(f"{where}: {plain['parameters']} parameters, head width {plain['width']}")
    return Base(**plain)


def is_shape(found: Any) -> bool:
    """Whether `found` is a list of 1 to 8 sizes, none of them 0."""
    if not isinstance(found, list) or not 0 < len(found) <= MAX_DIMENSIONS:
        return False
    return all(type(size) is int and size > 0 for size in found)
