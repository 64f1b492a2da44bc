"""Positions as Rice-coded gaps, quotients and remainders in streams of their own.

Rice coding (Golomb 1966, Rice 1979): a gap is split into `quotient = gap >> k`, written as that many zero
bits and a one, and the `k` low bits, written as they are. Kept apart, both streams decode in numpy without a
loop over symbols. See docs/format.md, "Positions".
"""

import numpy as np
from numpy.typing import NDArray

from edgediff.errors import FormatError, TruncatedError

MAX_RICE_PARAMETER = 31


def gaps_of(indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many unchanged entries precede each changed one: `(nnz,)`, all >= 0 for increasing indices."""
    return np.diff(indices, prepend=-1) - 1


def indices_of(gaps: NDArray[np.int64]) -> NDArray[np.int64]:
    """The inverse of `gaps_of`."""
    return np.cumsum(gaps + 1) - 1


def best_rice_parameter(gaps: NDArray[np.int64]) -> int:
    """The parameter that codes `gaps` in the fewest bits; the smaller one of two that tie."""
    guess = max(int(gaps.mean() + 1).bit_length() - 1, 0)
    candidates = range(max(guess - 2, 0), min(guess + 2, MAX_RICE_PARAMETER) + 1)
    return min(candidates, key=lambda k: len(gaps) * k + int((gaps >> k).sum()))


def encode_unary(quotients: NDArray[np.int64]) -> bytes:
    """Each quotient as that many zero bits and a one, first bit highest, zero bits to fill the last byte."""
    ends = np.cumsum(quotients + 1) - 1
    bits = np.zeros(int(ends[-1]) + 1 if len(ends) else 0, np.uint8)
    bits[ends] = 1
    return np.packbits(bits).tobytes()


def decode_unary(data: bytes, count: int) -> NDArray[np.int64]:
    """The inverse of `encode_unary`; `data` must hold exactly `count` quotients.

    Raises:
        FormatError: another number of quotients, or more than seven bits after the last.
    """
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    ends = np.flatnonzero(bits)
    if len(ends) != count:
        raise FormatError(f"section INDX holds {len(ends)} quotients, the tensors have {count} entries")
    used = int(ends[-1]) + 1 if count else 0
    if len(bits) - used > 7:
        raise FormatError(
            f"section INDX has {len(bits) - used} bits after its last quotient, at most 7 fill a byte"
        )
    return np.diff(ends, prepend=-1) - 1


def encode_remainders(gaps: NDArray[np.int64], k: int) -> bytes:
    """The `k` low bits of each gap, highest bit first, zero bits to fill the last byte."""
    places = np.arange(k - 1, -1, -1)
    return np.packbits(((gaps[:, None] >> places) & 1).astype(np.uint8)).tobytes()


def remainder_bytes(count: int, k: int) -> int:
    """How many bytes `encode_remainders` makes of `count` gaps."""
    return (count * k + 7) // 8


def decode_remainders(data: bytes, count: int, k: int) -> NDArray[np.int64]:
    """The inverse of `encode_remainders`, `(count,)`.

    Raises:
        TruncatedError: `data` is shorter than `remainder_bytes(count, k)`.
        FormatError: a bit that fills the last byte is set.
    """
    if len(data) < remainder_bytes(count, k):
        raise TruncatedError(f"section INDX ends within the remainders of {count} entries")
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    if bits[count * k :].any():
        raise FormatError("section INDX has a bit set after the last remainder of a tensor")
    places = 1 << np.arange(k - 1, -1, -1)
    return bits[: count * k].reshape(count, k) @ places
