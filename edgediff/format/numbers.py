"""Whole numbers as bytes: seven bits each, lowest first, the highest bit set while more follow (LEB128)."""

import numpy as np
from numpy.typing import NDArray

from edgediff.errors import FormatError, TruncatedError

MAX_NUMBER_LENGTH = 6


def encode_numbers(numbers: NDArray[np.int64]) -> bytes:
    """The bytes of numbers from 0 to below 2^42, each as short as can be."""
    coded = bytearray()
    for number in numbers.tolist():
        while number > 127:
            coded.append(number & 127 | 128)
            number >>= 7
        coded.append(number)
    return bytes(coded)


def decode_numbers(data: bytes, section: str) -> NDArray[np.int64]:
    """The inverse of `encode_numbers`.

    Raises:
        TruncatedError: the last number does not end.
        FormatError: a number longer than it need be, or than the format allows.
    """
    coded = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(coded < 128)
    if len(coded) and (not len(ends) or ends[-1] != len(coded) - 1):
        raise TruncatedError(f"section {section} ends within a number")
    lengths = np.diff(ends, prepend=-1)
    if len(ends) and int(lengths.max()) > MAX_NUMBER_LENGTH:
        raise FormatError(f"section {section} has a number of more than {MAX_NUMBER_LENGTH} bytes")
    if ((lengths > 1) & (coded[ends] == 0)).any():
        raise FormatError(f"section {section} has a number that is longer than it need be")
    starts = ends - lengths + 1
    numbers = np.zeros(len(ends), np.int64)
    for place in range(int(lengths.max()) if len(ends) else 0):
        longer = lengths > place
        numbers[longer] |= (coded[starts[longer] + place].astype(np.int64) & 127) << (7 * place)
    return numbers
