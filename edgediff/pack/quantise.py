"""Values onto a grid of few levels."""

from dataclasses import replace

import numpy as np

from edgediff.diff import Diff, Grid, Head, TensorDiff
from edgediff.errors import SettingError
from edgediff.format.values import MAX_BITS, MIN_BITS, decode_codes, encode_codes

_HALF_MAX = float(np.finfo(np.float16).max)


def quantise(diff: Diff, bits: int = 4) -> Diff:
    """The diff with every tensor's values on a grid of `bits` bits and the head in half precision.

    Each tensor has its own grid, from its smallest to its largest magnitude. Entries whose value is zero are
    dropped: they change nothing. Quantising a second time with the same bits changes nothing.

    Raises:
        SettingError: bits out of range, or a value that is not finite.
    """
    if not MIN_BITS <= bits <= MAX_BITS:
        raise SettingError(f"bits is {bits}, expected a whole number from {MIN_BITS} to {MAX_BITS}")
    tensors = tuple(_quantise_tensor(tensor, bits) for tensor in diff.tensors if tensor.values.any())
    return replace(diff, tensors=tensors, head=_half(diff.head))


def _quantise_tensor(tensor: TensorDiff, bits: int) -> TensorDiff:
    changed = tensor.values != 0
    indices, values = tensor.indices[changed], tensor.values[changed]
    magnitudes = np.abs(values)
    if not np.isfinite(magnitudes).all():
        raise SettingError(f"tensor {tensor.name!r} holds a value that is not finite")
    grid = Grid(bits, float(magnitudes.min()), float(magnitudes.max()))
    on_grid = decode_codes(encode_codes(values, grid), grid)
    return replace(tensor, indices=indices, values=on_grid, grid=grid)


def _half(head: Head) -> Head:
    for name, values in (("weight", head.weight), ("bias", head.bias)):
        if not (np.abs(values) <= _HALF_MAX).all():
            raise SettingError(f"head.{name} holds a value that half precision cannot")
    return Head(
        head.weight.astype(np.float16).astype(np.float32), head.bias.astype(np.float16).astype(np.float32)
    )
