"""Sets of whole numbers as Rice-coded gaps, in a few streams that decode without a loop over symbols.

Rice coding (Golomb 1966, Rice 1979) splits a gap into `quotient = gap >> k`, written as that many zero bits
and a one, and the `k` low bits, written as they are. Quotients and low bits lie in streams of their own, so
that numpy decodes either at once. See docs/format.md, "Sets".
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgediff.errors import FormatError, TruncatedError

LARGEST_UNIVERSE = 1 << 40
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Sets:
    """How many of how many: all that is known of some sets before their members are read.

    Attributes:
        universe: `(sets,)` int64; the members of a set are from 0 to below its universe.
        size: `(sets,)` int64, how many members.
    """

    universe: Counts
    size: Counts

    @property
    def inverted(self) -> NDArray[np.bool_]:
        """Which sets are written as the numbers that they lack, because these are fewer."""
        return 2 * self.size > self.universe

    @property
    def written(self) -> Counts:
        """How many gaps are written for each set."""
        return np.asarray(np.minimum(self.size, self.universe - self.size))

    @property
    def rice_parameter(self) -> Counts:
        """The k of each set: the largest with `133 * written * 2^k < 64 * (2 * universe - written)`, or 0.

        It makes a quotient of 0 about as likely as the golden ratio's 0.618, which is where the next k begins
        to be the shorter one (Gallager, van Voorhis 1975).
        """
        count = np.maximum(self.written, 1)
        bound = (64 * (2 * self.universe - count) - 1) // (133 * count)  # 2^k is at most this
        return np.asarray(np.maximum(np.frexp(bound.astype(np.float64))[1].astype(np.int64) - 1, 0))

    @property
    def most_quotient_bits(self) -> Counts:
        """How many bits the quotients of each set may take: a one for each, zeros up to its last place."""
        written = self.written
        zeros = (self.universe - written) >> self.rice_parameter
        return np.asarray(np.where(written > 0, written + zeros, 0))


def gaps_of(members: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many numbers are left out before each member of an increasing list: `(members,)`, all >= 0."""
    return np.diff(members, prepend=-1) - 1


def encode_gaps(gaps: NDArray[np.int64], rice_parameter: NDArray[np.int64]) -> tuple[bytes, bytes]:
    """The quotients' and the remainders' stream of `gaps`, each with the parameter of its set, `(gaps,)`."""
    remainders = [
        encode_remainders(gaps[rice_parameter == k], int(k)) for k in np.unique(rice_parameter) if k
    ]
    return encode_unary(gaps >> rice_parameter), b"".join(remainders)


def decode_gaps(unary: bytes, remainders: bytes, rice_parameter: NDArray[np.int64]) -> NDArray[np.int64]:
    """The inverse of `encode_gaps`.

    Raises:
        FormatError: of the kind that says what is wrong.
    """
    gaps = decode_unary(unary, len(rice_parameter))
    if (gaps > LARGEST_UNIVERSE >> rice_parameter).any():  # so that no sum of gaps overflows
        raise FormatError("section INDX has a quotient that leads beyond any universe")
    gaps <<= rice_parameter
    counts = np.bincount(rice_parameter, minlength=1)
    position = 0
    for k in (np.flatnonzero(counts[1:]) + 1).tolist():
        end = position + remainder_bytes(int(counts[k]), k)
        gaps[rice_parameter == k] += decode_remainders(remainders[position:end], int(counts[k]), k)
        position = end
    if position != len(remainders):
        raise TruncatedError(f"section INDX has {len(remainders) - position} bytes after its last remainder")
    return gaps


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
    coded = np.frombuffer(data, np.uint8)
    found = int(np.bitwise_count(coded).sum(dtype=np.int64))  # first: it bounds what the quotients may take
    if found != count:
        raise FormatError(f"section INDX holds {found} quotients, its sets have {count}")
    bits = np.unpackbits(coded).view(np.bool_)
    ends = np.flatnonzero(bits)
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
        raise FormatError("section INDX has a bit set after the last remainder of a stream")
    columns = bits[: count * k].reshape(count, k)
    remainders = np.zeros(count, np.int64)
    for column in columns.T:
        remainders = remainders * 2 + column
    return remainders
