"""A second writer of INDX, made by docs/format.md alone, for any classes of rows and columns."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

from edgediff import Diff
from edgediff.format.head import encode_head
from edgediff.format.metadata import TensorEntry, encode_metadata
from vectors.parts import Shape, diff, file, indx, vals


@dataclass(frozen=True)
class NumberSet:
    """A set as the document's "Sets" has it: its universe, and the numbers that are written."""

    universe: int
    written: Sequence[int]

    @property
    def k(self) -> int:
        """How many bits of a gap are its remainder; the set has a written number."""
        m, k = len(self.written), 0
        while 133 * m * 2 ** (k + 1) < 64 * (2 * self.universe - m):
            k += 1
        return k

    def gaps(self) -> list[int]:
        """The numbers left out before each written one."""
        return [n - before - 1 for before, n in zip([-1, *self.written], self.written, strict=False)]


def number_set(universe: int, members: Sequence[int]) -> NumberSet:
    """The set of `members`, inverted where it must be."""
    if 2 * len(members) > universe:
        return NumberSet(universe, sorted(set(range(universe)) - set(members)))
    return NumberSet(universe, sorted(members))


class Axis:
    """The rows or columns of a tensor in classes, of which all but the last are given."""

    def __init__(self, size: int, named: Sequence[Sequence[int]]) -> None:
        self.sizes = [*map(len, named), size - sum(map(len, named))]
        self.sets: list[NumberSet] = []
        self._rank = {line: (c, i) for c, lines in enumerate(named) for i, line in enumerate(sorted(lines))}
        self._named: list[int] = []  # ascending
        for lines in named:
            among = [line - bisect_left(self._named, line) for line in lines]
            self.sets.append(number_set(size - len(self._named), among))
            self._named = sorted([*self._named, *lines])

    def place(self, line: int) -> tuple[int, int]:
        """The class of a line and its number within it."""
        last = len(self.sizes) - 1, line - bisect_left(self._named, line)
        return self._rank.get(line, last)


@dataclass(frozen=True)
class Classed:
    """The changed entries of a tensor, and the classes of its rows and columns but the last of each."""

    shape: Shape
    indices: Sequence[int]
    rows: Sequence[Sequence[int]] = ()
    columns: Sequence[Sequence[int]] = ()

    def encode(self) -> tuple[list[int], list[NumberSet]]:
        """The tensor's numbers and sets."""
        rows, columns = (1, *self.shape) if len(self.shape) == 1 else (self.shape[0], prod(self.shape[1:]))
        row_axis = Axis(rows, self.rows)
        column_axis = Axis(columns, self.columns)
        blocks: dict[tuple[int, int], list[int]] = {
            (r, c): [] for r in range(len(row_axis.sizes)) for c in range(len(column_axis.sizes))
        }
        for index in self.indices:
            (r, row), (c, column) = row_axis.place(index // columns), column_axis.place(index % columns)
            blocks[r, c].append(row * column_axis.sizes[c] + column)
        counts = [len(members) for members in blocks.values()]
        classes = len(row_axis.sizes), len(column_axis.sizes)
        numbers = [*classes, *row_axis.sizes[:-1], *column_axis.sizes[:-1], *counts]
        places = (row_axis.sizes[r] * column_axis.sizes[c] for r, c in blocks)
        in_blocks = [number_set(u, members) for u, members in zip(places, blocks.values(), strict=True)]
        return numbers, [*row_axis.sets, *column_axis.sets, *in_blocks]


def encode(tensors: Iterable[Classed]) -> tuple[list[int], list[NumberSet]]:
    """All numbers and sets of some tensors."""
    encoded = [tensor.encode() for tensor in tensors]
    return [n for numbers, _ in encoded for n in numbers], [s for _, sets in encoded for s in sets]


def number(value: int) -> bytes:
    """A whole number as the document's "Conventions" has it."""
    return bytes([value]) if value < 128 else bytes([value % 128 + 128]) + number(value // 128)


def packed(bits: str) -> bytes:
    """A bit stream."""
    filled = bits + "0" * (-len(bits) % 8)
    return int(filled or "0", 2).to_bytes(len(filled) // 8, "big")


def streams(numbers: Iterable[int], sets: Iterable[NumberSet]) -> tuple[bytes, bytes, bytes]:
    """The numbers before they are deflated, the quotients and the remainders."""
    quotients, remainders = list[str](), dict[int, str]()
    for some in sets:
        k = some.k if some.written else 0
        for gap in some.gaps():
            quotients.append("0" * (gap >> k) + "1")
            if k:
                remainders[k] = remainders.get(k, "") + f"{gap % 2**k:0{k}b}"
    in_order = b"".join(packed(bits) for _, bits in sorted(remainders.items()))
    return b"".join(map(number, numbers)), packed("".join(quotients)), in_order


def positions(tensors: Iterable[Classed]) -> bytes:
    """Section INDX of some tensors."""
    return indx(*streams(*encode(tensors)))


def diff_of(tensors: dict[str, Classed]) -> Diff:
    """A diff of these entries, with values of every code."""
    return diff({name: (tensor.shape, tensor.indices) for name, tensor in tensors.items()})


def file_of(whole: Diff, **contents: bytes) -> bytes:
    """A file of `whole` without classes, with these contents of sections in place of its own."""
    levels = [] if whole.levels is None else whole.levels.tolist()
    table = [*levels, *(-level for level in levels)]
    codes = [table.index(value) for tensor in whole.tensors for value in tensor.values.tolist()]
    own = {
        "META": encode_metadata(whole, [TensorEntry(t.name, t.shape, t.nnz) for t in whole.tensors], []),
        "INDX": positions([Classed(t.shape, t.indices.tolist()) for t in whole.tensors]),
        "VALS": vals(codes, levels),
        "HEAD": encode_head(whole.head),
    }
    return file(**own | contents)
