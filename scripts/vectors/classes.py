"""Classes of rows and columns that another writer may choose, and the bounds of sets."""

from collections.abc import Mapping

from vectors.foreign import Classed, diff_of, file_of, positions
from vectors.parts import EXAMPLE, deflate, file, indx, stored
from vectors.vector import Vector, valid

LONGEST = 1 << 20
"""The longest axis that may have classes."""

THIRDS = range(0, 64, 3)


def vectors() -> list[Vector]:
    """All vectors of this topic."""
    tensors = [*_one_axis(), *_both_axes(), *_blocks(), *_shapes(), *_bounds()]
    return [*(_of(*row) for row in tensors), *_streams()]


Row = tuple[str, str, Classed | Mapping[str, Classed]]
"""The vector's name, its description, and its tensor or its tensors by name."""


def _of(name: str, text: str, tensors: Classed | Mapping[str, Classed]) -> Vector:
    by_name = {"w": tensors} if isinstance(tensors, Classed) else dict(tensors)
    whole = diff_of(by_name)
    return valid(f"classes-{name}", text, file_of(whole, INDX=positions(by_name.values())), whole)


def _one_axis() -> list[Row]:
    most = [0, 1, 2, 4, 5, 7, 8, 9]
    return [
        ("rows", "two classes of rows, one of columns", Classed((8, 8), THIRDS, [[1, 6]])),
        ("columns", "one class of rows, three of columns", Classed((8, 8), THIRDS, (), [[7], [0, 3]])),
        (
            "inverted",
            "a class that has most of the rows: what is written is the rows that it lacks",
            Classed((10, 10), range(0, 100, 7), [most]),
        ),
        (
            "inverted-second",
            "a second class that has most of the rows left, and one row for the last",
            Classed((6, 2), [1, 4, 9], [[3], [0, 1, 4, 5]]),
        ),
        (
            "half",
            "a class that has half of the rows, which is not most of them",
            Classed((6, 2), [1, 4, 9], [[0, 2, 5]]),
        ),
        ("vector", "classes of the columns of a vector", Classed((30,), [0, 1, 2, 29], (), [[0, 1, 2, 29]])),
    ]


def _both_axes() -> list[Row]:
    return [
        (
            "document",
            "the classes of the document's last paragraph",
            Classed((4, 8), [3, 8, 12, 28], [[0, 2], [3]], [[0, 4, 5]]),
        ),
        ("both", "classes of rows and of columns", Classed((8, 8), THIRDS, [[2], [0, 5]], [[1, 2, 4]])),
        (
            "among-left",
            "lines of later classes are counted among those that no earlier class has",
            Classed((12, 6), range(0, 72, 5), [[0, 11], [1, 10], [2, 9]], [[5], [0], [4]]),
        ),
        (
            "each-line",
            "as many classes as lines, in descending order",
            Classed((4, 24), range(0, 96, 5), [[3], [2], [1]], [[c] for c in range(23, 0, -1)]),
        ),
        (
            "24",
            "24 classes of rows and 24 of columns",
            Classed((48, 40), range(0, 1920, 17), [[r, r + 24] for r in range(23)], [[c] for c in range(23)]),
        ),
    ]


def _blocks() -> list[Row]:
    two_columns = sorted([*range(1, 64, 8), *range(6, 64, 8)])
    mixed = [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 24, 26, 27, 31]
    return [
        (
            "row-for-free",
            "a row that changes as a whole, all others not at all: full and empty blocks",
            Classed((8, 8), range(16, 24), [[2]]),
        ),
        (
            "columns-for-free",
            "two columns that change as a whole, all others not at all",
            Classed((8, 8), two_columns, (), [[1, 6]]),
        ),
        (
            "cross-for-free",
            "a row and a column that change as a whole",
            Classed((4, 4), [1, 4, 5, 6, 7, 9, 13], [[1]], [[1]]),
        ),
        (
            "blocks-of-each-kind",
            "a full block, an empty one, an inverted one and a plain one",
            Classed((4, 8), mixed, [[0, 1]], [[0, 1, 2, 3]]),
        ),
    ]


def _shapes() -> list[Row]:
    return [
        (
            "four-axes",
            "four axes: the columns are counted over the last three",
            Classed((3, 2, 2, 5), [0, 19, 20, 39, 59], [[1]], [[0, 19]]),
        ),
        (
            "several",
            "tensors with and without classes, whose sets share the streams",
            {
                "a": Classed((8, 8), THIRDS, [[0, 5]]),
                "b": Classed((1000,), [0, 999]),
                "c": Classed((2, 2), [0, 1, 2, 3]),
                "d": Classed((8, 8), THIRDS, (), [[0, 5, 6]]),
            },
        ),
    ]


def _bounds() -> list[Row]:
    last = {f"w{k:02}": Classed((2 << k,), [(2 << k) - 1]) for k in range(40)}
    corner = Classed((LONGEST, LONGEST), [LONGEST * LONGEST - 1], [[LONGEST - 2]], [[0]])
    lines = {"a": corner, "b": corner, "c": Classed((5, 5), [7])}
    bytes_of_numbers = {f"{n:03}": Classed((n,), range(n)) for n in (127, 128)}
    beyond = LONGEST + 1
    return [
        ("every-k", "the last entry of vectors of 2 to 2^40: k is 0, 1, ... 39", last),
        ("first-of-2-40", "the first of 2^40 entries", Classed((LONGEST, LONGEST), [0])),
        (
            "2-22-lines",
            "2^22 rows and columns in classes, and others in none",
            lines,
        ),
        ("127", "the number 127 takes one byte, 128 two", bytes_of_numbers),
        (
            "rows-beyond",
            "more than 2^20 rows in one class, the columns in two",
            Classed((beyond, 4), [2, 4 * beyond - 1], (), [[1, 3]]),
        ),
        (
            "columns-beyond",
            "more than 2^20 columns in one class, the rows in two",
            Classed((4, beyond), [LONGEST, 4 * beyond - 1], [[3]]),
        ),
        (
            "large-class",
            "a class of 2^20 - 1 rows, inverted, its size in three bytes",
            Classed((LONGEST, 2), [0, 10, 2 * LONGEST - 1], [[*range(5), *range(6, LONGEST)]]),
        ),
    ]


def _streams() -> list[Vector]:
    numbers = b"\1\1\3"
    coded = [
        ("stored", "the numbers in a stored block", stored(numbers)),
        ("blocks", "the numbers in two blocks", stored(numbers[:2], final=False) + deflate(numbers[2:])),
    ]
    return [
        valid(f"classes-numbers-{name}", text, file(INDX=indx(deflated=data)), EXAMPLE)
        for name, text, data in coded
    ]
