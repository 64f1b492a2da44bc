"""Rows and columns of a tensor put into classes, so that in each block of classes the entries lie evenly.

A trained diff touches some rows and some columns far more than others, and some rows only in some columns.
Sent row by row and column by column, that knowledge costs more than it saves; sent as a few classes it pays.
This is cross-association (Chakrabarti, Papadimitriou, Modha, Faloutsos, KDD 2004): the classes with the
shortest description of themselves and of the blocks between them. All arithmetic is on whole numbers, so that
every machine finds the same classes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_CLASSES = 24
MAX_CLASSED_AXIS = 1 << 20
_TRIED = (2, 3, 4, 6, 8, 12, 16, MAX_CLASSES)
_ROUNDS = 8
_FEWEST = 64
"""A tensor with fewer entries is one block, as a vector is: classes would cost more than they could save."""

_UNIT = 256  # costs are counted in 1/256 bit
_MANTISSA_LOG2 = np.array([round(_UNIT * np.log2(1 + (i + 0.5) / 256)) for i in range(256)], np.int64)
_NEVER = 1 << 30

Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Classes:
    """The class of each row and of each column of a tensor.

    Attributes:
        rows: `(rows,)` int64 labels from 0 to below `row_count`; every label occurs.
        columns: `(columns,)`, likewise.
        row_count: how many classes of rows.
        column_count: how many classes of columns.
    """

    rows: Labels
    columns: Labels
    row_count: int
    column_count: int


def find_classes(indices: NDArray[np.int64], shape: tuple[int, int]) -> Classes:
    """Classes for a tensor of `shape` (rows, columns) that changes at `indices` (flat, row-major, ascending).

    More and more classes are tried, of rows alone, of columns alone and of both, until that stops to pay.
    """
    rows, columns = shape
    best = Classes(np.zeros(rows, np.int64), np.zeros(columns, np.int64), 1, 1)
    if len(indices) < _FEWEST or min(shape) == 1 or max(shape) > MAX_CLASSED_AXIS:
        return best
    at = np.divmod(indices, columns)
    lowest = _description(at, best)
    for both, of_rows in ((True, True), (False, True), (False, False)):
        misses = 0
        for count in _TRIED:
            wanted = (count if both or of_rows else 1, count if both or not of_rows else 1)
            if wanted[0] > rows or wanted[1] > columns or misses == 2:
                break
            found = _fit(at, shape, wanted)
            length = _description(at, found)
            if length < lowest:
                best, lowest, misses = found, length, 0
            else:
                misses += 1
    return best


def _fit(at: tuple[Labels, Labels], shape: tuple[int, int], wanted: tuple[int, int]) -> Classes:
    """Start from classes of like counts, then move each row and column to where it costs least, in turns."""
    labels = [
        _by_count(np.bincount(where, minlength=size), count)
        for where, size, count in zip(at, shape, wanted, strict=True)
    ]
    for _ in range(_ROUNDS):
        before = labels.copy()
        for axis in (0, 1):
            if wanted[axis] > 1:
                labels[axis] = _reassign(at, labels, wanted, axis)
        if all(np.array_equal(*pair) for pair in zip(before, labels, strict=True)):
            break
    (rows, row_count), (columns, column_count) = (_compact(found) for found in labels)
    return Classes(rows, columns, row_count, column_count)


def _by_count(counts: Labels, classes: int) -> Labels:
    """Classes of about equal weight along the order of counts, a row's weight being the root of its count."""
    order = np.argsort(counts, kind="stable")
    weight = np.cumsum(np.sqrt(counts[order]).astype(np.int64) + 1)
    labels = np.empty(len(counts), np.int64)
    labels[order] = np.minimum((weight - 1) * classes // weight[-1], classes - 1)
    return labels


def _reassign(at: tuple[Labels, Labels], labels: list[Labels], wanted: tuple[int, int], axis: int) -> Labels:
    """The class of each line along `axis` in which its entries, and its own label, cost the fewest bits."""
    mine, other = labels[axis], labels[1 - axis]
    classes, other_classes = wanted[axis], wanted[1 - axis]
    touched = np.bincount(at[axis] * other_classes + other[at[1 - axis]], minlength=len(mine) * other_classes)
    entries = touched.reshape(len(mine), other_classes)
    block = np.zeros((classes, other_classes), np.int64)
    np.add.at(block, mine, entries)
    lines = np.bincount(mine, minlength=classes)
    width = np.bincount(other, minlength=other_classes)
    cells = np.outer(lines, width)
    total = log2(2 * cells + 2)
    cost_set, cost_unset = total - log2(2 * block + 1), total - log2(2 * (cells - block) + 1)
    own = np.where(lines > 0, log2(np.array(len(mine))) - log2(np.maximum(lines, 1)), _NEVER)
    cost = entries @ cost_set.T + (width - entries) @ cost_unset.T + own
    return np.asarray(cost.argmin(1))


def _compact(labels: Labels) -> tuple[Labels, int]:
    """The same classes without those that have no member, the largest class last."""
    sizes = np.bincount(labels)
    used = np.flatnonzero(sizes)
    order = used[np.argsort(sizes[used], kind="stable")]
    renamed = np.zeros(len(sizes), np.int64)
    renamed[order] = np.arange(len(order))
    return renamed[labels], len(order)


def _description(at: tuple[Labels, Labels], classes: Classes) -> int:
    """The length of everything that must be sent, in 1/256 bit: labels, the blocks' counts, their entries."""
    lines = np.bincount(classes.rows), np.bincount(classes.columns)
    cells = np.outer(*lines)
    block = classes.rows[at[0]] * classes.column_count + classes.columns[at[1]]
    count = np.bincount(block, minlength=cells.size).reshape(cells.shape)
    labels = sum(int(_entropy(sizes.sum(), sizes).sum()) for sizes in lines)
    numbers = int(log2(2 * np.minimum(count, cells - count) + 2).sum()) + 2 * _UNIT * (
        count.size + len(lines[0]) + len(lines[1])
    )
    return labels + numbers + int((_entropy(cells, count) + _entropy(cells, cells - count)).sum())


def _entropy(whole: Labels, part: Labels) -> Labels:
    """`part * log2(whole / part)`, 0 where there is no part."""
    return np.asarray(part * (log2(np.maximum(whole, 1)) - log2(np.maximum(part, 1))))


def log2(number: Labels) -> Labels:
    """The binary logarithm of whole numbers from 1 to 2^52, in 1/256, the same on every machine."""
    number = np.asarray(number)
    return _LOG2.take(number) if number.max() < len(_LOG2) else _log2(number)


def _log2(number: Labels) -> Labels:
    exponent = np.frexp(np.asarray(number, np.float64))[1].astype(np.int64) - 1
    high = np.where(
        exponent >= 8, number >> np.maximum(exponent - 8, 0), number << np.maximum(8 - exponent, 0)
    )
    return np.asarray((exponent << 8) + _MANTISSA_LOG2[high & 255])


_LOG2 = np.append(0, _log2(np.arange(1, 1 << 13)))
"""Of small numbers, which are looked up: most tensors' classes are small, and there are many calls."""
