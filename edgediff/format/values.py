"""Values as small codes, entropy-coded by deflate. See docs/format.md, "Values"."""

import math
import zlib

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import Grid
from edgediff.errors import FormatError

MIN_BITS, MAX_BITS = 2, 8


def encode_codes(values: NDArray[np.float32], grid: Grid) -> NDArray[np.uint8]:
    """The code of the grid value nearest to each value: the sign above the magnitude's number."""
    steps = (1 << (grid.bits - 1)) - 1
    span = grid.high - grid.low
    magnitudes = np.abs(values.astype(np.float64))
    numbers = np.rint((magnitudes - grid.low) * (steps / span)) if span > 0 else np.zeros(len(values))
    codes = np.clip(numbers, 0, steps).astype(np.uint8)
    signs = (values < 0).astype(np.uint8) << np.uint8(grid.bits - 1)
    return codes | signs


def decode_codes(codes: NDArray[np.uint8], grid: Grid) -> NDArray[np.float32]:
    """The value of each code.

    Raises:
        FormatError: a code has a bit above `grid.bits`.
    """
    magnitudes = grid.magnitudes()
    table = np.concatenate([magnitudes, -magnitudes])
    if len(codes) and int(codes.max()) >= len(table):
        raise FormatError(
            f"section VALS holds the code {int(codes.max())}, a tensor has {grid.bits} bits a value"
        )
    return table[codes]


def check_grid(grid: Grid, name: str) -> None:
    """Check a grid as read from a file.

    Raises:
        FormatError: bits out of range, or magnitudes that are not finite, not positive or not in order.
    """
    if not MIN_BITS <= grid.bits <= MAX_BITS:
        raise FormatError(f"tensor {name!r}: bits is {grid.bits}, expected {MIN_BITS} to {MAX_BITS}")
    if not (math.isfinite(grid.high) and 0 < grid.low <= grid.high):
        raise FormatError(
            f"tensor {name!r}: magnitudes from {grid.low} to {grid.high}, expected 0 < low <= high, finite"
        )


def deflate(data: bytes, huffman_only: bool = False) -> bytes:
    """`data` as one raw deflate stream (RFC 1951)."""
    strategy = zlib.Z_HUFFMAN_ONLY if huffman_only else zlib.Z_DEFAULT_STRATEGY
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 9, strategy)
    return deflater.compress(data) + deflater.flush()


def inflate(data: bytes, limit: int, section: str) -> bytes:
    """The content of one raw deflate stream, at most `limit` bytes of it.

    Raises:
        FormatError: not such a stream, one that ends early, holds more, or has bytes after its end.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = inflater.decompress(data, limit + 1)
    except zlib.error as error:
        raise FormatError(f"section {section} is not a deflate stream: {error}") from error
    if len(content) > limit:
        raise FormatError(f"section {section} inflates to more than the {limit} bytes it may hold")
    if not inflater.eof or inflater.unused_data:
        raise FormatError(f"section {section} is not exactly one whole deflate stream")
    return content
