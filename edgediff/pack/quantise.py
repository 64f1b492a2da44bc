"""Values onto a few levels, and how few are enough."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import Diff, Head
from edgediff.errors import SettingError
from edgediff.format.head import LARGEST_CODE, MAX_EXPONENT, row_exponents
from edgediff.pack.factors import FACTOR_BITS, quantise_product

MIN_BITS, MAX_BITS = 2, 8
LARGEST_ERROR = 0.04
"""Without `bits`, the squared error may be this share of the values' squared length: it costs no score."""


def quantise(diff: Diff, bits: int | None = None) -> Diff:
    """The diff with its values on `2 ** (bits - 1)` levels, each with both signs, its head on 8 bits each.

    Factors of products go onto even grids (`factors.py`), at `bits` or `FACTOR_BITS`.

    The range of all magnitudes, from 0 to the largest, is cut into intervals of equal length; each becomes
    one level, the mean of what lies in it. (Levels equally far apart, entropy-coded, beat a Lloyd-Max
    codebook of equal size: docs/format.md has the figures.) Without `bits`, the fewest are taken that keep
    the error below `LARGEST_ERROR`. Entries whose value is zero are dropped: they change nothing.

    Raises:
        SettingError: bits out of range, or a diff that is not finite or does not fit together.
    """
    if bits is not None and not MIN_BITS <= bits <= MAX_BITS:
        raise SettingError(f"bits is {bits}, expected a whole number from {MIN_BITS} to {MAX_BITS}")
    diff.check()
    tensors = []
    for tensor in diff.tensors:
        if not np.isfinite(tensor.values).all():
            raise SettingError(f"tensor {tensor.name!r} holds a value that is not finite")
        changed = tensor.values != 0
        if changed.any():
            tensors.append(replace(tensor, indices=tensor.indices[changed], values=tensor.values[changed]))
    values = np.concatenate([np.empty(0, np.float32), *(tensor.values for tensor in tensors)])
    levels, on_levels = _fewest_levels(values) if bits is None else onto_levels(values, bits)
    parts = np.split(on_levels, np.cumsum([tensor.nnz for tensor in tensors])[:-1]) if tensors else []
    packed = tuple(replace(tensor, values=part) for tensor, part in zip(tensors, parts, strict=True))
    products = tuple(
        found for each in diff.products if (found := quantise_product(each, bits or FACTOR_BITS))
    )
    return replace(diff, tensors=packed, levels=levels, head=_quantise_head(diff.head), products=products)


Levels = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Levels, and values on them."""


def _fewest_levels(values: NDArray[np.float32]) -> Levels:
    length = float(np.square(values, dtype=np.float64).sum())
    for bits in range(MIN_BITS, MAX_BITS + 1):
        levels, found = onto_levels(values, bits)
        error = float(np.square(values.astype(np.float64) - found).sum())
        if error <= LARGEST_ERROR * length:
            break
    return levels, found


def onto_levels(values: NDArray[np.float32], bits: int) -> Levels:
    """The levels that `quantise` takes for `values` at `bits`, and each value on its own; 0 is none."""
    magnitudes = np.abs(values).astype(np.float64)
    if not len(values):
        return np.ones(1, np.float32), values
    count = 1 << (bits - 1)
    present = np.unique(np.abs(values))
    if len(present) <= count and np.array_equal(_as_half(present), present):
        return present, values  # on levels already: packing twice changes nothing
    interval = np.minimum((magnitudes * (count / magnitudes.max())).astype(np.int64), count - 1)
    members = np.bincount(interval, minlength=count)
    means = np.bincount(interval, magnitudes, minlength=count) / np.maximum(members, 1)
    halves = np.maximum(_as_half(means), np.finfo(np.float16).smallest_subnormal)
    if not np.isfinite(halves).all():
        raise SettingError(f"the largest value is {magnitudes.max():g}, half precision ends at 65504")
    on_levels = halves[interval].astype(np.float32)
    return np.unique(on_levels), np.where(values < 0, -on_levels, on_levels)


def _as_half(values: NDArray[Any]) -> NDArray[np.float16]:
    with np.errstate(over="ignore"):
        return np.asarray(values.astype(np.float16))


def _quantise_head(head: Head) -> Head:
    for name, values in (("weight", head.weight), ("bias", head.bias)):
        if not np.isfinite(values).all():
            raise SettingError(f"head.{name} holds a value that is not finite")
    if np.abs(head.weight).max(initial=0) > LARGEST_CODE * 2.0**MAX_EXPONENT:
        raise SettingError("head.weight holds a value that the format cannot")
    exponents = row_exponents(head.weight)[:, None]
    codes = np.rint(np.ldexp(head.weight.astype(np.float64), -exponents))
    return Head(np.ldexp(codes, exponents).astype(np.float32), head.bias.astype(np.float32))
