"""As much of a diff as fits into a number of bytes: the entries that are worth most per bit."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import Diff, TensorDiff, as_matrix
from edgediff.errors import SettingError
from edgediff.format import dumps
from edgediff.pack.prices import VALUE_BITS, position_bits
from edgediff.pack.quantise import quantise

_ROUNDS = 4

Mask = NDArray[np.bool_]


def fit(diff: Diff, max_bytes: int, bits: int | None = None) -> Diff:
    """The diff as `quantise` gives it, with entries left out until its file has at most `max_bytes`.

    Entries go in the order of their squared value per bit; what a position costs depends on how many entries
    its row and column keep, so that those of busy rows and columns stay together. How many must go is found
    by halving.

    Raises:
        SettingError: as `quantise`; or the file without any entry is larger already.
    """
    whole = quantise(diff, bits)
    if len(dumps(whole)) <= max_bytes:
        return whole
    smallest = len(dumps(quantise(replace(diff, tensors=()), bits)))
    if smallest > max_bytes:
        raise SettingError(
            f"the file has {smallest} bytes without any entry, at most {max_bytes} are allowed"
        )
    count = largest_count(
        lambda count: len(dumps(quantise(worthiest(diff, count), bits))) <= max_bytes, diff.nnz
    )
    return quantise(worthiest(diff, count), bits)


def largest_count(fits: Callable[[int], bool], most: int) -> int:
    """The largest count, to a thousandth of `most`, that still fits; by halving."""
    if fits(most):
        return most
    largest, smallest_too_large = 0, most
    while smallest_too_large - largest > max(most // 1000, 1):
        count = (largest + smallest_too_large) // 2
        if fits(count):
            largest = count
        else:
            smallest_too_large = count
    return largest


def worthiest(diff: Diff, count: int) -> Diff:
    """The diff with the `count` entries of most squared value per bit, which depends on what else is kept."""
    if count >= diff.nnz:
        return diff
    squares = np.concatenate([np.square(t.values, dtype=np.float64) for t in diff.tensors])
    edges = np.cumsum([t.nnz for t in diff.tensors])[:-1]
    kept = np.ones(len(squares), np.bool_)
    for _ in range(_ROUNDS):
        cost = [_position_bits(t, k) for t, k in zip(diff.tensors, np.split(kept, edges), strict=True)]
        merit = squares / (np.concatenate(cost) + VALUE_BITS)
        kept = np.zeros(len(squares), np.bool_)
        kept[np.argsort(-merit, kind="stable")[:count]] = True
    masks = np.split(kept, edges)
    return replace(diff, tensors=tuple(_part(t, k) for t, k in zip(diff.tensors, masks, strict=True)))


def _position_bits(tensor: TensorDiff, kept: Mask) -> NDArray[np.float64]:
    shape = as_matrix(tensor.shape)
    return position_bits(*np.divmod(tensor.indices, shape[1]), kept, shape)


def _part(tensor: TensorDiff, kept: Mask) -> TensorDiff:
    return replace(tensor, indices=tensor.indices[kept], values=tensor.values[kept])
