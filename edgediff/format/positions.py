"""Section INDX: which entries of each tensor change. See docs/format.md, "INDX"."""

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import as_matrix
from edgediff.errors import FormatError, LimitError, TruncatedError
from edgediff.format.classes import MAX_CLASSED_AXIS, MAX_CLASSES, Classes, find_classes
from edgediff.format.deflate import deflate, inflate
from edgediff.format.numbers import decode_numbers, encode_numbers
from edgediff.format.rice import Sets, decode_gaps, encode_gaps, gaps_of

MAX_NUMBER_BYTES = 1 << 20
MAX_CLASSED_LINES = 1 << 22
"""Rows and columns in classes, over all tensors: what a reader takes memory for beside the entries."""

_LENGTHS = struct.Struct("<II")  # of the deflated numbers and of the quotients
Array = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Plan:
    """How one tensor's entries are divided into sets: sizes alone, which the numbers of INDX give.

    Attributes:
        shape: rows and columns.
        row_sizes: `(row classes,)`, how many rows each class has.
        column_sizes: `(column classes,)`.
        counts: `(row classes, column classes)`, the changed entries of each block.
    """

    shape: tuple[int, int]
    row_sizes: Array
    column_sizes: Array
    counts: Array

    def class_sets(self) -> list[Sets]:
        """The sets that tell rows, then columns, of all classes but the last: each among those left."""
        sets = []
        for sizes in (self.row_sizes, self.column_sizes):
            left = int(sizes.sum()) - np.cumsum(sizes) + sizes
            sets.append(Sets(left[:-1], sizes[:-1]))
        return sets

    def block_sets(self) -> Sets:
        """The sets of changed entries of all blocks, row class by row class."""
        return Sets(np.outer(self.row_sizes, self.column_sizes).reshape(-1), self.counts.reshape(-1))


def encode_positions(tensors: list[tuple[tuple[int, ...], Array]]) -> bytes:
    """Section INDX of tensors given as (shape, indices)."""
    numbers, gaps, parameters = list[Array](), list[Array](), list[Array]()
    for shape, indices in tensors:
        matrix = as_matrix(shape)
        classes = find_classes(indices, matrix)
        plan, members = _divide(indices, matrix, classes)
        sizes = (
            np.array([classes.row_count, classes.column_count]),
            plan.row_sizes[:-1],
            plan.column_sizes[:-1],
        )
        numbers += [*sizes, plan.counts.reshape(-1)]
        for sets, found in zip([*plan.class_sets(), plan.block_sets()], members, strict=True):
            gaps += [_gaps(sets, i, m) for i, m in enumerate(found)]
            parameters.append(np.repeat(sets.rice_parameter, sets.written))
    coded = deflate(encode_numbers(_joined(numbers)))
    unary, remainders = encode_gaps(_joined(gaps), _joined(parameters))
    return _LENGTHS.pack(len(coded), len(unary)) + coded + unary + remainders


def decode_positions(data: bytes, tensors: list[tuple[tuple[int, ...], int]]) -> list[Array]:
    """The indices of each of the tensors, given as (shape, nnz) and strictly increasing.

    Raises:
        FormatError: of the kind that says what is wrong.
    """
    if len(data) < _LENGTHS.size:
        raise TruncatedError(
            f"section INDX has {len(data)} bytes, its first fields alone have {_LENGTHS.size}"
        )
    number_bytes, unary_bytes = _LENGTHS.unpack_from(data)
    unary_at = _LENGTHS.size + number_bytes
    remainders_at = unary_at + unary_bytes
    if remainders_at > len(data):
        raise TruncatedError(
            f"section INDX has {len(data)} bytes, its numbers claim {number_bytes},"
            f" its quotients {unary_bytes}"
        )
    numbers = decode_numbers(inflate(data[_LENGTHS.size : unary_at], MAX_NUMBER_BYTES, "INDX"), "INDX")
    plans = _read_plans(numbers, tensors)
    groups = [sets for plan in plans for sets in (*plan.class_sets(), plan.block_sets())]
    sets = Sets(_joined([g.universe for g in groups]), _joined([g.size for g in groups]))
    written = sets.written
    if int(written.sum()) > 8 * unary_bytes:
        raise TruncatedError(f"section INDX has {unary_bytes} bytes of quotients, too few for its sets")
    if int(sets.most_quotient_bits.sum()) + 7 < 8 * unary_bytes:
        raise FormatError(f"section INDX has {unary_bytes} bytes of quotients, too many for its sets")
    gaps = decode_gaps(
        data[unary_at:remainders_at], data[remainders_at:], np.repeat(sets.rice_parameter, written)
    )
    return _Assembly(plans, sets, gaps).indices()


class _Assembly:
    """From the gaps of all sets to the indices of all tensors, most of it for all of them at once."""

    def __init__(self, plans: list[Plan], sets: Sets, gaps: Array) -> None:
        self._plans, self._sets = plans, sets
        written = sets.written
        self._ends = np.cumsum(written)
        self._starts = self._ends - written
        counted = np.cumsum(gaps + 1)
        before = np.concatenate([[0], counted])[self._starts]
        self._members = counted - np.repeat(before + 1, written)
        last = np.flatnonzero(written)
        beyond = self._members[self._ends[last] - 1] >= sets.universe[last]
        if beyond.any():
            raise FormatError(f"section INDX: set {last[beyond.argmax()]} has a member outside its universe")

    def indices(self) -> list[Array]:
        """The indices of each tensor, in order."""
        found, at = list[Array](), 0
        for plan in self._plans:
            if plan.counts.size == 1:
                found.append(self._set(at))
            else:
                row_order, at = self._order(plan.row_sizes, at)
                column_order, at = self._order(plan.column_sizes, at)
                found.append(np.sort(self._flat(plan, row_order, column_order, at)))
            at += plan.counts.size
        return found

    def _order(self, sizes: Array, at: int) -> tuple[Array | None, int]:
        """The lines of an axis, class after class, or None for a single class; and the next set's number."""
        if len(sizes) == 1:
            return None, at
        left, classes = np.arange(int(sizes.sum())), list[Array]()
        for number in range(at, at + len(sizes) - 1):
            chosen = np.zeros(len(left), np.bool_)
            chosen[self._set(number)] = True
            classes.append(left[chosen])
            left = left[~chosen]
        return np.concatenate([*classes, left]), at + len(sizes) - 1

    def _set(self, number: int) -> Array:
        """The members of a set, ascending."""
        members = self._written(number, number + 1)
        universe, size = int(self._sets.universe[number]), int(self._sets.size[number])
        return _left_out(members, universe) if 2 * size > universe else members

    def _written(self, first: int, end: int) -> Array:
        """What is written for the sets from `first` to before `end`."""
        start, stop = int(self._starts[first]), int(self._ends[end - 1])
        written: Array = self._members[start:stop]
        return written

    def _flat(self, plan: Plan, row_order: Array | None, column_order: Array | None, at: int) -> Array:
        """The flat indices of a tensor, block after block."""
        block, members = self._members_of_blocks(at, plan.counts.size)
        row_class, column_class = np.divmod(np.arange(plan.counts.size), len(plan.column_sizes))
        row_starts, column_starts = (np.cumsum(s) - s for s in (plan.row_sizes, plan.column_sizes))
        width = plan.column_sizes[column_class][block]
        rows = members // width
        columns = members - rows * width + column_starts[column_class][block]
        rows += row_starts[row_class][block]
        rows = rows if row_order is None else row_order[rows]
        columns = columns if column_order is None else column_order[columns]
        return np.asarray(rows * plan.shape[1] + columns)

    def _members_of_blocks(self, at: int, count: int) -> tuple[Array, Array]:
        """For each entry of `count` blocks, whose sets begin at `at`: its block and its member in that."""
        sets = Sets(self._sets.universe[at : at + count], self._sets.size[at : at + count])
        written = self._written(at, at + count)
        block = np.repeat(np.arange(count), sets.written)
        if not sets.inverted.any():
            return block, written
        # All inverted blocks side by side, and the places among them that are not written.
        span = np.where(sets.inverted, sets.universe, 0)
        start = np.cumsum(span) - span
        inverted = sets.inverted[block]
        changed = np.ones(int(span.sum()), np.bool_)
        changed[written[inverted] + start[block[inverted]]] = False
        owner = np.repeat(np.arange(count), np.where(sets.inverted, sets.size, 0))
        return (
            np.concatenate([block[~inverted], owner]),
            np.concatenate([written[~inverted], np.flatnonzero(changed) - start[owner]]),
        )


def _divide(indices: Array, shape: tuple[int, int], classes: Classes) -> tuple[Plan, list[list[Array]]]:
    """The sets of a tensor: their sizes, and the members of row class sets, column class sets and blocks."""
    rows, columns = np.divmod(indices, shape[1])
    row_sizes, column_sizes = np.bincount(classes.rows), np.bincount(classes.columns)
    row_rank, column_rank = (_rank(labels) for labels in (classes.rows, classes.columns))
    block = classes.rows[rows] * classes.column_count + classes.columns[columns]
    member = row_rank[rows] * column_sizes[classes.columns[columns]] + column_rank[columns]
    order = np.lexsort((member, block))
    counts = np.bincount(block, minlength=classes.row_count * classes.column_count)
    plan = Plan(shape, row_sizes, column_sizes, counts.reshape(classes.row_count, classes.column_count))
    in_blocks = np.split(member[order], np.cumsum(counts)[:-1])
    return plan, [_class_members(classes.rows), _class_members(classes.columns), in_blocks]


def _class_members(labels: Array) -> list[Array]:
    """The lines of each class but the last, numbered among those of no earlier class."""
    members = []
    for label in range(int(labels.max())):
        left = labels[labels >= label]
        members.append(np.flatnonzero(left == label))
    return members


def _rank(labels: Array) -> Array:
    """The number of each line within its class."""
    order = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels)
    rank = np.empty(len(labels), np.int64)
    rank[order] = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return rank


def _gaps(sets: Sets, number: int, members: Array) -> Array:
    universe = int(sets.universe[number])
    if 2 * len(members) > universe:
        members = _left_out(members, universe)
    return gaps_of(members)


def _read_plans(numbers: Array, tensors: list[tuple[tuple[int, ...], int]]) -> list[Plan]:
    plans, at, lines = list[Plan](), 0, 0
    for number, (shape, nnz) in enumerate(tensors):
        matrix = as_matrix(shape)
        if at + 2 > len(numbers):
            raise TruncatedError(f"section INDX has {len(numbers)} numbers, tensor {number} needs more")
        row_count, column_count = (int(n) for n in numbers[at : at + 2])
        for count, size in zip((row_count, column_count), matrix, strict=True):
            if not 1 <= count <= min(MAX_CLASSES, size) or (count > 1 and size > MAX_CLASSED_AXIS):
                raise FormatError(f"section INDX, tensor {number}: {count} classes for an axis of {size}")
            lines += size if count > 1 else 0
        if lines > MAX_CLASSED_LINES:
            raise LimitError(
                f"section INDX has {lines} rows and columns in classes, at most {MAX_CLASSED_LINES}"
            )
        first = at + 2
        second, third = first + row_count - 1, first + row_count + column_count - 2
        at = third + row_count * column_count
        if at > len(numbers):
            raise TruncatedError(f"section INDX has {len(numbers)} numbers, tensor {number} needs more")
        sizes = [
            _axis(numbers[first:second], matrix[0], number),
            _axis(numbers[second:third], matrix[1], number),
        ]
        plan = Plan(matrix, sizes[0], sizes[1], numbers[third:at].reshape(row_count, column_count))
        _check_counts(plan, nnz, number)
        plans.append(plan)
    if at != len(numbers):
        raise TruncatedError(f"section INDX has {len(numbers) - at} numbers after those of its last tensor")
    return plans


def _axis(sizes: Array, lines: int, number: int) -> Array:
    """The sizes of all classes of an axis, the last one being what the others leave."""
    last = lines - sum(sizes.tolist())
    if last < 1 or (sizes == 0).any():
        raise FormatError(f"section INDX, tensor {number}: a class without a row or column")
    return np.append(sizes, last)


def _check_counts(plan: Plan, nnz: int, number: int) -> None:
    total = sum(plan.counts.reshape(-1).tolist())
    if total != nnz:
        raise FormatError(
            f"section INDX, tensor {number}: its blocks hold {total} entries, META states {nnz}"
        )
    if (plan.counts > np.outer(plan.row_sizes, plan.column_sizes)).any():
        raise FormatError(f"section INDX, tensor {number}: a block holds more entries than it has places")


def _left_out(members: Array, universe: int) -> Array:
    """The numbers below `universe` that are no members."""
    left = np.ones(universe, np.bool_)
    left[members] = False
    return np.flatnonzero(left)


def _joined(arrays: list[Array]) -> Array:
    return np.concatenate([np.empty(0, np.int64), *arrays])
