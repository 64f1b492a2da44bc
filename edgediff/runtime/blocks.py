"""A product of two thin matrices, spread out in the order in which a packed parameter lies in memory.

Kernels pack a matrix in blocks of their own. All that is known of a packing is where each element lies; here
it is seen as runs, each a piece of a row or of a column, and those as blocks of many runs. A block of a term
is then an outer product of two stretches of its factors, and no single element need be looked up.
"""

import math
from dataclasses import dataclass
from itertools import product as pairs

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import Product, as_matrix

_WIDTHS = (64, 32, 16, 8, 4, 2, 1)
"""Elements of a run that are tried: kernels work on some power of two of rows or columns at a time."""
_TOGETHER = 16


@dataclass(frozen=True)
class Block:
    """A stretch of a parameter's region: for each of some pieces, a run in each of some lines.

    Attributes:
        start: the float32 of the region that it begins with.
        width: elements of a run.
        along_rows: whether lines are rows; else they are columns.
        piece: which piece of its lines the first run is, counted in widths.
        pieces: how many pieces follow one another.
        line: the first line.
        lines: how many follow one another, for each piece.
    """

    start: int
    width: int
    along_rows: bool
    piece: int
    pieces: int
    line: int
    lines: int

    @property
    def size(self) -> int:
        """How many float32s it has."""
        return self.pieces * self.lines * self.width

    def spread(self, product: Product, room: NDArray[np.float32]) -> NDArray[np.float32]:
        """What `product` adds to the block, `(size,)`, in `room`, which is as large or larger.

        The same bits as `Product.dense`. (New memory for each block would take longer than all arithmetic.)
        """
        # So many lines at a time: numpy is quick along its last axis, and runs are short.
        together = math.gcd(self.lines, _TOGETHER)
        shape = (self.pieces, self.lines // together, together * self.width)
        added = room[: self.size].reshape(shape)
        for number, (left, right) in enumerate(zip(product.left.T, product.right, strict=True)):
            varied, fixed = (right, left) if self.along_rows else (left, right)
            inside = varied[self.piece * self.width :][: self.pieces * self.width]
            inside = np.tile(inside.reshape(self.pieces, 1, self.width), (1, 1, together))
            of_lines = np.repeat(fixed[self.line :][: self.lines], self.width).reshape(shape[1:])
            if number:
                added += inside * of_lines
            else:
                np.multiply(inside, of_lines, out=added)
        return room[: self.size]


def find_blocks(shape: tuple[int, ...], order: NDArray[np.int32] | None) -> list[Block]:
    """The blocks of a parameter of `shape`, its elements lying at `order` in its region; None: one by one."""
    rows, columns = as_matrix(shape)
    if order is None:
        return [Block(0, columns, True, 0, 1, 0, rows)]
    size = int(order.max()) + 1
    element = np.full(size + -size % _WIDTHS[0], -1)
    element[order] = np.arange(len(order))
    held = element >= 0
    row, column = np.divmod(element, columns)
    for width, along_rows in pairs(_WIDTHS, (True, False)):
        line, place = (row, column) if along_rows else (column, row)
        runs = np.flatnonzero(held[::width])
        lines, places = line.reshape(-1, width)[runs], place.reshape(-1, width)[runs]
        if (
            len(runs) * width == len(order)
            and held.reshape(-1, width)[runs].all()
            and (lines == lines[:, :1]).all()
            and (places == places[:, :1] + np.arange(width)).all()
            and not (places[:, 0] % width).any()
        ):
            break
    return _join(runs, places[:, 0] // width, lines[:, 0], width, along_rows)


def _join(
    runs: NDArray[np.int64],
    pieces: NDArray[np.int64],
    lines: NDArray[np.int64],
    width: int,
    along_rows: bool,
) -> list[Block]:
    """Runs, by where they lie in widths, as few blocks; runs of one piece first, then what repeats."""
    begins = np.flatnonzero(
        _differs(runs, 1) | _differs(pieces, 0) | _differs(lines, 1)
    )  # of the same piece, in line after line
    counts = np.diff(begins, append=len(runs))
    first, piece, line = runs[begins], pieces[begins], lines[begins]
    repeats = np.flatnonzero(
        np.append(True, first[1:] != first[:-1] + counts[:-1])
        | _differs(piece, 1)
        | _differs(line, 0)
        | _differs(counts, 0)
    )
    ends = np.append(repeats[1:], len(begins))
    found = zip(first[repeats], piece[repeats], ends - repeats, line[repeats], counts[repeats], strict=True)
    return [Block(int(start) * width, width, along_rows, *map(int, where)) for start, *where in found]


def _differs(numbers: NDArray[np.int64], by: int) -> NDArray[np.bool_]:
    """Whether each number is another than the one before it and `by`; the first one is."""
    return np.append(True, np.diff(numbers) != by)
