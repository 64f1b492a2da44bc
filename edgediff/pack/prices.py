"""What the parts of a packed file cost, near enough to choose by."""

import numpy as np
from numpy.typing import NDArray

VALUE_BITS = 3.0
"""About what a value takes."""
_EVEN = 0.5
"""How much of a row's or column's share is taken to be even, before its entries are looked at."""
_CLASS_BITS = 1.5
"""About what each entry adds to the naming of row and column classes (`docs/format.md`)."""


def position_bits(
    rows: NDArray[np.int64], columns: NDArray[np.int64], kept: NDArray[np.bool_], shape: tuple[int, int]
) -> NDArray[np.float64]:
    """The bits that each entry's position takes beside the other `kept` ones of its matrix.

    As if rows and columns were independent: an entry in a row and a column that keep many others is cheap.
    `rows`, `columns` and `kept` are `(entries,)`.
    """
    count = max(int(kept.sum()), 1)
    share = np.full(len(rows), float(count))
    for where, lines in ((rows, shape[0]), (columns, shape[1])):
        others = np.bincount(where[kept], minlength=lines)[where] - kept
        share *= (others + _EVEN * count / lines) / ((1 + _EVEN) * count)
    return np.asarray(_CLASS_BITS - np.log2(np.minimum(share, 1)))
