"""Rows, columns and single entries mixed, each kept if it is worth its bits.

Bits have a price. An entry is worth the square of its value, and is kept if that exceeds the price of its
position and its value. A line, that is a row or a column, has its positions for next to nothing: it is kept
whole where that leaves more than its best entries alone would. So the worth that is left out, plus the price
of what is sent, is least (Shoham, Gersho: Efficient bit allocation for an arbitrary set of quantizers, IEEE
Trans. ASSP 36, 1988). What a position costs depends on what else is kept, so the choice is repeated with the
costs it has led to.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import as_matrix
from edgediff.pack.prices import VALUE_BITS, position_bits
from edgediff.pack.select import top_k

_FIRST_POSITION_BITS = 12.0
_ROUNDS = 3
_HALVINGS = 14
_PRICES = 2.0**30
"""The highest price tried is so many times the lowest."""

Masks = dict[str, NDArray[np.int64]]


def top_mixed(values: Mapping[str, NDArray[Any]], most: int, fits: Callable[[Masks], bool]) -> Masks:
    """The flat indices of the lines and entries that are worth most for their bits, by name.

    As many as `fits` allows, to a small fraction; `most` bounds the single entries among them. An array of
    one axis is one line. Zeros are no entry of their own, but stay in a line. Names without a kept entry are
    absent; each array of indices increases strictly. Empty if not even one line or entry fits.
    """
    candidates = top_k(values, most)
    tensors = [_Tensor.of(name, array, candidates.get(name)) for name, array in values.items()]
    dearest = max((tensor.largest for tensor in tensors), default=0.0) / VALUE_BITS
    best: Masks = {}
    low, high = np.log2(dearest / _PRICES) if dearest else 0.0, np.log2(dearest) if dearest else 0.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        masks = _at_price(tensors, float(2.0**middle))
        if fits(masks):
            best, high = masks, middle
        else:
            low = middle
    return best


@dataclass(frozen=True)
class _Tensor:
    """One array as a matrix of squares, their sums, and the places of entries that may be kept one by one."""

    name: str
    squares: NDArray[np.float32]
    of_rows: NDArray[np.float64]
    of_columns: NDArray[np.float64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]

    @classmethod
    def of(cls, name: str, array: NDArray[Any], indices: NDArray[np.int64] | None) -> "_Tensor":
        squares = np.square(array.reshape(as_matrix(array.shape)), dtype=np.float32)
        of_rows, of_columns = (squares.sum(1 - axis, dtype=np.float64) for axis in (0, 1))
        rows, columns = np.divmod(np.empty(0, np.int64) if indices is None else indices, squares.shape[1])
        return cls(name, squares, of_rows, of_columns, rows, columns)

    @property
    def largest(self) -> float:
        return float(self.squares.max(initial=0))

    def mask(self, price: float) -> NDArray[np.bool_]:
        """What is kept, `(rows, columns)`."""
        worth = self.squares[self.rows, self.columns]
        positions = np.full(len(worth), _FIRST_POSITION_BITS)
        for _ in range(_ROUNDS):
            surplus = np.maximum(worth - price * (positions + VALUE_BITS), 0)
            whole_rows, whole_columns = self._lines(surplus, price)
            alone = (surplus > 0) & ~whole_rows[self.rows] & ~whole_columns[self.columns]
            positions = position_bits(self.rows, self.columns, alone, self.squares.shape)
        kept = np.logical_or.outer(whole_rows, whole_columns)
        kept[self.rows[alone], self.columns[alone]] = True
        return kept

    def _lines(
        self, surplus: NDArray[np.float64], price: float
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which rows, and of what these leave which columns, are worth more whole than entry by entry."""
        rows, columns = self.squares.shape
        alone = np.bincount(self.rows, surplus, minlength=rows)
        whole_rows = self.of_rows - price * _line_bits(rows, columns) > alone
        if rows == 1:
            return whole_rows, np.zeros(columns, np.bool_)
        left = ~whole_rows
        alone = np.bincount(self.columns, surplus * left[self.rows], minlength=columns)
        worth = self.of_columns - self.squares[whole_rows].sum(0)
        return whole_rows, worth - price * _line_bits(columns, int(left.sum())) > alone


def _at_price(tensors: list[_Tensor], price: float) -> Masks:
    masks = {tensor.name: np.flatnonzero(tensor.mask(price)) for tensor in tensors}
    return {name: indices for name, indices in masks.items() if len(indices)}


def _line_bits(lines: int, entries: int) -> float:
    """What a whole line of `entries` takes: its name among `lines`, and its values."""
    return float(np.log2(lines + 1)) + VALUE_BITS * entries
