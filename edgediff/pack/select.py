"""Which entries to keep."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
