"""Section VALS: the values as small codes for a few magnitudes. See docs/format.md, "VALS"."""

import numpy as np
from numpy.typing import NDArray

from edgediff.errors import FormatError, SettingError, TruncatedError
from edgediff.format.deflate import MAX_DEFLATE_RATIO, deflate, inflate

MAX_LEVELS = 128
_HALF = np.dtype("<f2")


def encode_values(values: NDArray[np.float32], levels: NDArray[np.float32]) -> bytes:
    """Section VALS of all values, tensor after tensor; each is a level or the negative of one.

    Raises:
        SettingError: a value that is not, or levels that the format does not hold.
    """
    halves = levels.astype(_HALF)
    if not (1 <= len(levels) <= MAX_LEVELS and _in_order(halves) and np.array_equal(halves, levels)):
        raise SettingError(
            f"the levels are no 1 to {MAX_LEVELS} ascending magnitudes in half precision: pack the diff first"
        )
    magnitudes = np.abs(values)
    numbers = np.minimum(np.searchsorted(levels, magnitudes), len(levels) - 1)
    if not np.array_equal(levels[numbers], magnitudes):
        raise SettingError("the diff has values that are none of its levels: pack the diff first")
    codes = (numbers + len(levels) * (values < 0)).astype(np.uint8)
    return bytes([len(levels) - 1]) + halves.tobytes() + deflate(codes.tobytes(), huffman_only=True)


def decode_values(data: bytes, count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The `(count,)` values and the levels of section VALS.

    Raises:
        FormatError: of the kind that says what is wrong.
    """
    if not data or len(data) < 1 + _HALF.itemsize * (data[0] + 1):
        raise TruncatedError(f"section VALS has {len(data)} bytes, too few for its levels")
    if data[0] >= MAX_LEVELS:
        raise FormatError(f"section VALS has {data[0] + 1} levels, at most {MAX_LEVELS}")
    if count > MAX_DEFLATE_RATIO * len(data):
        raise TruncatedError(f"section VALS has {len(data)} bytes, too few for {count} entries")
    halves = np.frombuffer(data, _HALF, data[0] + 1, offset=1)
    if not _in_order(halves):
        raise FormatError("section VALS: the levels are not finite, above zero and strictly ascending")
    levels = halves.astype(np.float32)
    codes = np.frombuffer(inflate(data[1 + halves.nbytes :], count, "VALS"), np.uint8)
    if len(codes) != count:
        raise TruncatedError(f"section VALS holds {len(codes)} codes, the tensors have {count} entries")
    if count and int(codes.max()) >= 2 * len(levels):
        raise FormatError(f"section VALS holds the code {int(codes.max())}, {len(levels)} levels have fewer")
    return np.concatenate([levels, -levels])[codes], levels


def _in_order(halves: NDArray[np.float16]) -> bool:
    return bool(
        np.isfinite(halves).all() and halves[0] > 0 and (np.diff(halves.astype(np.float32)) > 0).all()
    )
