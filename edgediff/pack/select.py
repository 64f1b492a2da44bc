"""Which entries to keep: the largest, or whole rows and columns."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import as_matrix


def top_k(values: Mapping[str, NDArray[Any]], count: int) -> dict[str, NDArray[np.int64]]:
    """The flat indices of the `count` entries of largest magnitude over all arrays together, by name.

    Exact: ties at the threshold go to the earlier name (in the mapping's order) and the lower index. Zeros
    are never kept, so fewer than `count` entries come back if fewer differ from zero. Names without a kept
    entry are absent; each array of indices increases strictly.
    """
    magnitudes = np.concatenate([np.abs(array).reshape(-1) for array in values.values()])
    count = min(count, int(np.count_nonzero(magnitudes)))
    if count == 0:
        return {}
    threshold = np.partition(magnitudes, len(magnitudes) - count)[len(magnitudes) - count]
    above = np.flatnonzero(magnitudes > threshold)
    ties = np.flatnonzero(magnitudes == threshold)[: count - len(above)]
    kept = np.sort(np.concatenate([above, ties]))
    edges = np.cumsum([0, *(array.size for array in values.values())])
    bounds = np.searchsorted(kept, edges)
    return {
        name: kept[first:last] - start
        for name, first, last, start in zip(values, bounds[:-1], bounds[1:], edges[:-1], strict=True)
        if last > first
    }


def top_rows(values: Mapping[str, NDArray[Any]], count: int) -> dict[str, NDArray[np.int64]]:
    """The flat indices of the rows and columns of largest mean square, `count` entries at most, by name.

    A file says them for next to nothing. All arrays are seen as `as_matrix` sees them, so a vector is one row
    and kept whole. Lines are taken in the order of their mean squares over all arrays together, ties in that
    of the mapping, rows before columns; one that no longer fits is passed over, one of zeros never kept. An
    entry where a kept row and a kept column meet counts once. Names without a kept line are absent; each
    array of indices increases strictly.
    """
    shapes = [as_matrix(array.shape) for array in values.values()]
    merits, lines = [], []
    for number, (array, shape) in enumerate(zip(values.values(), shapes, strict=True)):
        squares = np.square(array.reshape(shape), dtype=np.float64)
        for axis in (0, 1) if shape[0] > 1 else (0,):
            merits.append(squares.mean(1 - axis))
            lines += [(number, axis, line) for line in range(shape[axis])]
    merit = np.concatenate(merits)
    kept = [(np.zeros(rows, np.bool_), np.zeros(columns, np.bool_)) for rows, columns in shapes]
    left = count
    for place in np.argsort(-merit, kind="stable")[: np.count_nonzero(merit)]:
        number, axis, line = lines[place]
        new = int(np.count_nonzero(~kept[number][1 - axis]))
        if 0 < new <= left:
            kept[number][axis][line] = True
            left -= new
    masks = {name: np.logical_or.outer(*lines) for name, lines in zip(values, kept, strict=True)}
    return {name: np.flatnonzero(mask) for name, mask in masks.items() if mask.any()}
