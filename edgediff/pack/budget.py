"""As much of a diff as fits into a number of bytes: the entries that are worth most per bit."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import Diff, TensorDiff
from edgediff.errors import SettingError
from edgediff.format import dumps
from edgediff.format.classes import as_matrix
from edgediff.pack.quantise import quantise

_ROUNDS = 4
_VALUE_BITS = 3.0
"""About what a value costs beside its position; it keeps the merit of cheap positions finite."""

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
    count = largest_count(lambda count: _keep(diff, count), diff.nnz, max_bytes, bits)
    return quantise(_keep(diff, count), bits)


def largest_count(keep: Callable[[int], Diff], most: int, max_bytes: int, bits: int | None) -> int:
    """The largest count, to a thousandth of `most`, with which the file of `keep(count)` fits; by halving."""
    fits, fails = 0, most
    while fails - fits > max(most // 1000, 1):
        count = (fits + fails) // 2
        if len(dumps(quantise(keep(count), bits))) <= max_bytes:
            fits = count
        else:
            fails = count
    return fits


def _keep(diff: Diff, count: int) -> Diff:
    """The diff with the `count` entries of the highest merit, their cost being what it is among them."""
    squares = np.concatenate([np.square(t.values, dtype=np.float64) for t in diff.tensors])
    edges = np.cumsum([t.nnz for t in diff.tensors])[:-1]
    kept = np.ones(len(squares), np.bool_)
    for _ in range(_ROUNDS):
        cost = [_position_bits(t, k) for t, k in zip(diff.tensors, np.split(kept, edges), strict=True)]
        merit = squares / (np.concatenate(cost) + _VALUE_BITS)
        kept = np.zeros(len(squares), np.bool_)
        kept[np.argsort(-merit, kind="stable")[:count]] = True
    masks = np.split(kept, edges)
    return replace(diff, tensors=tuple(_part(t, k) for t, k in zip(diff.tensors, masks, strict=True)))


def _position_bits(tensor: TensorDiff, kept: Mask) -> NDArray[np.float64]:
    """The bits that each entry's position costs if `kept` are sent, were rows and columns independent."""
    rows, columns = as_matrix(tensor.shape)
    row, column = np.divmod(tensor.indices, columns)
    of_row = np.bincount(row[kept], minlength=rows)[row] + 0.5
    of_column = np.bincount(column[kept], minlength=columns)[column] + 0.5
    share = np.minimum(of_row * of_column / max(int(kept.sum()), 1), 1.0)
    return np.asarray(-np.log2(share))


def _part(tensor: TensorDiff, kept: Mask) -> TensorDiff:
    return replace(tensor, indices=tensor.indices[kept], values=tensor.values[kept])
