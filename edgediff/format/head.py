"""Section HEAD: the task's output layer, a byte a weight. See docs/format.md, "HEAD"."""

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import Head
from edgediff.errors import FormatError, SettingError, TruncatedError

LARGEST_CODE = 127
MIN_EXPONENT, MAX_EXPONENT = -126, 120


def row_exponents(weight: NDArray[np.float32]) -> NDArray[np.int64]:
    """For each row the smallest e with `abs(weight) <= 127 * 2^e`, `(rows,)`; 0 for a row of zeros."""
    largest = np.abs(weight).max(1, initial=0).astype(np.float64)
    fraction, exponent = np.frexp(largest / LARGEST_CODE)
    tight = np.where(fraction == 0.5, exponent - 1, exponent).astype(np.int64)
    return np.where(largest > 0, np.clip(tight, MIN_EXPONENT, MAX_EXPONENT), 0)


def encode_head(head: Head) -> bytes:
    """Section HEAD.

    Raises:
        SettingError: a weight is no multiple of its row's power of two, or a number is not finite.
    """
    exponents = row_exponents(head.weight)
    codes = np.ldexp(head.weight.astype(np.float64), -exponents[:, None])
    whole = np.rint(codes)
    if not (np.array_equal(codes, whole) and np.isfinite(head.bias).all()):
        raise SettingError("the head is not on its grid of 8 bits a weight: pack the diff first")
    return (
        exponents.astype(np.int8).tobytes()
        + whole.astype(np.int8).tobytes()
        + head.bias.astype("<f4").tobytes()
    )


def decode_head(data: bytes, outputs: int, width: int) -> Head:
    """The head of `outputs` rows of `width` in section HEAD.

    Raises:
        TruncatedError: too few bytes.
        FormatError: too many, a number out of range, or a row that is not written in the one way.
    """
    expected = outputs * (1 + width + 4)
    if len(data) != expected:
        kind = TruncatedError if len(data) < expected else FormatError
        raise kind(f"section HEAD has {len(data)} bytes, {outputs} rows of {width} need {expected}")
    exponents = np.frombuffer(data, np.int8, outputs).astype(np.int64)
    codes = np.frombuffer(data, np.int8, outputs * width, offset=outputs).reshape(outputs, width)
    bias = np.frombuffer(data, "<f4", offset=outputs * (1 + width)).astype(np.float32)
    if (codes == -128).any() or not np.isfinite(bias).all():
        raise FormatError("section HEAD holds the code -128, or a bias that is not finite")
    if ((exponents < MIN_EXPONENT) | (exponents > MAX_EXPONENT)).any():
        raise FormatError(f"section HEAD holds an exponent outside {MIN_EXPONENT} to {MAX_EXPONENT}")
    weight = np.ldexp(codes.astype(np.float32), exponents[:, None])  # exact: no result is subnormal
    if not np.array_equal(row_exponents(weight), exponents):
        raise FormatError("section HEAD has a row whose exponent is not the smallest that holds it")
    return Head(weight, bias)
