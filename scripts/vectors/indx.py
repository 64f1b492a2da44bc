"""INDX: its lengths, numbers, classes and counts made wrong."""

from collections.abc import Sequence

from edgediff.errors import FormatError, LimitError, TruncatedError
from vectors.classes import LONGEST
from vectors.foreign import Classed, diff_of, encode, file_of, number, positions, streams
from vectors.parts import deflate, diff, file, indx
from vectors.vector import Vector, invalid

Rows = Sequence[tuple[str, str, bytes]]
"""For each vector its name, its description and the content of INDX."""


def vectors() -> list[Vector]:
    """All vectors of this topic."""
    return [*_lengths(), *_numbers(), *_class_counts(), *_lines(), *_class_sizes(), *_block_counts()]


def in_example(rows: Rows, error: type[FormatError] = FormatError, clause: str = "INDX") -> list[Vector]:
    """The document's file with another INDX."""
    return [invalid(f"indx-{name}", text, file(INDX=data), clause, error) for name, text, data in rows]


def in_tensor(
    tensor: Classed, rows: Rows, error: type[FormatError] = FormatError, clause: str = "INDX"
) -> list[Vector]:
    """A file of one tensor with another INDX."""
    whole = diff_of({"w": tensor})
    return [
        invalid(f"indx-{name}", text, file_of(whole, INDX=data), clause, error) for name, text, data in rows
    ]


def _lengths() -> list[Vector]:
    return in_example(
        [
            ("empty", "no byte at all", b""),
            ("lengths-cut", "the second length ends early", indx()[:7]),
            ("a-largest", "2^32 - 1 bytes of numbers", indx(a=2**32 - 1)),
            ("b-largest", "2^32 - 1 bytes of quotients", indx(b=2**32 - 1)),
            ("a-sign", "2^31 bytes of numbers: below zero where lengths are signed", indx(a=2**31)),
            ("b-sign", "2^31 bytes of quotients: below zero where lengths are signed", indx(b=2**31)),
            ("wraps", "lengths whose sum is 6 in 32 bits", indx(a=2**32 - 2, b=8)),
            ("b-beyond", "a byte of quotients more than there is", indx(b=4)),
            ("big-endian", "the highest byte of each length first", indx(a=5 << 24, b=1 << 24)),
        ],
        TruncatedError,
    )


def _numbers() -> list[Vector]:
    coded, most = deflate(b"\1\1\3"), b"\1\1\3".ljust(1 << 20, b"\0")
    damaged = [
        ("numbers-damaged", "numbers that are no deflate stream", indx(deflated=b"\xff\xff")),
        ("numbers-plain", "numbers that are not deflated", indx(deflated=b"\1\1\3")),
        ("numbers-empty", "a stream of numbers without a byte", indx(deflated=b"")),
        ("numbers-cut", "a stream of numbers without its last byte", indx(deflated=coded[:-1])),
        ("numbers-trailing", "a byte after the end of the numbers' stream", indx(deflated=coded + b"\0")),
    ]
    long = [
        ("number-2-bytes", "3 with a needless last byte of zero", indx(b"\1\1\x83\0")),
        ("number-6-bytes", "3 with needless bytes up to the sixth", indx(b"\1\1\x83\x80\x80\x80\x80\0")),
        ("number-first", "R with a needless last byte of zero", indx(b"\x81\0\1\3")),
        ("number-7-bytes", "a number of 7 bytes: 3 in 42 bits", indx(b"\1\1\x83\x80\x80\x80\x80\x80\1")),
        ("number-11-bytes", "a number of 11 bytes: 3 in 64 bits", indx(b"\1\1\x83" + b"\x80" * 9 + b"\1")),
    ]
    ends = [
        ("numbers-within", "the last number does not end", indx(b"\1\1\x83")),
        ("numbers-within-next", "a number that does not end after the last", indx(b"\1\1\3\x83")),
        ("numbers-largest", "as many numbers as may be, all but three after the last", indx(most)),
        ("numbers-none", "not a single number", indx(b"")),
        ("numbers-one", "R and no more", indx(b"\1")),
        ("numbers-no-count", "no count of the only block", indx(b"\1\1")),
        ("numbers-no-size", "no size of the first row class", indx(b"\2\1")),
        ("numbers-no-second", "no count of the second block", indx(b"\2\1\1\3")),
        ("numbers-more", "a number after the last", indx(b"\1\1\3\0")),
    ]
    too_long = [
        ("numbers-one-more", "numbers that inflate to a byte more than is allowed", indx(most + b"\0")),
        ("numbers-bomb", "numbers that inflate to 10 MiB", indx(most * 10)),
    ]
    return [
        *in_example(damaged, clause="Conventions"),
        *in_example(long, clause="Conventions"),
        *in_example(ends, TruncatedError),
        *in_example(too_long),
    ]


def _class_counts() -> list[Vector]:
    none = [
        ("r-0", "no class of rows", indx(b"\0\1", b"", b"")),
        ("c-0", "no class of columns", indx(b"\1\0", b"", b"")),
        ("r-wraps", "2^32 + 1 classes of rows: one in 32 bits", indx(number(2**32 + 1) + b"\1\3")),
    ]
    lines = [[line] for line in range(24)]
    tensors = [
        ("r-25", "25 classes of 30 rows", Classed((30, 2), [7], rows=lines)),
        ("c-25", "25 classes of 30 columns", Classed((2, 30), [7], columns=lines)),
        ("r-beyond", "three classes of two rows", Classed((2, 30), [7], [[0], [1]])),
        ("c-beyond", "three classes of two columns", Classed((30, 2), [7], (), [[0], [1]])),
        ("r-vector", "two classes of the one row of a vector", Classed((30,), [7], [[0]])),
        ("r-axis", "classes on an axis of 2^20 + 1 rows", Classed((LONGEST + 1, 2), [7], [[0]])),
        ("c-axis", "classes on an axis of 2^20 + 1 columns", Classed((2, LONGEST + 1), [7], (), [[0]])),
    ]
    wrong = [in_tensor(tensor, [(name, text, positions([tensor]))]) for name, text, tensor in tensors]
    return [*in_example(none), *(vector for found in wrong for vector in found)]


def _lines() -> list[Vector]:
    square = Classed((LONGEST, LONGEST), [0], [[0]], [[0]])
    limits = [
        ("lines", "2^22 + 2 rows and columns in classes", [square, square, Classed((2, 2), [0], [[0]])]),
        ("lines-many", "20 tensors of 2^21 rows and columns in classes each", [square] * 20),
    ]
    found = []
    for name, text, tensors in limits:
        whole = diff_of({f"w{i:02}": tensor for i, tensor in enumerate(tensors)})
        data = file_of(whole, INDX=positions(tensors))
        found.append(invalid(f"indx-{name}", text, data, "INDX", LimitError))
    return found


def _class_sizes() -> list[Vector]:
    sizes = [
        ("row-size-0", "a first row class without a row", indx(b"\2\1\0\0\3")),
        ("row-size-all", "a last row class without a row", indx(b"\2\1\4\3\0")),
        ("row-size-beyond", "a row class of more rows than there are", indx(b"\2\1\5\3\0")),
        ("column-size-0", "a first column class without a column", indx(b"\1\2\0\0\3")),
        ("column-size-all", "a last column class without a column", indx(b"\1\2\x08\3\0")),
        ("column-size-beyond", "a column class of more columns than there are", indx(b"\1\2\x09\3\0")),
    ]
    halves = Classed((4, 8), [3, 4, 20], [[0, 1], [2, 3]])
    one = Classed((4, 8), [3, 4, 20], [[0]])
    _, quotients, remainders = streams(*encode([one]))
    large = [
        ("row-size-wraps", "a row class of 2^32 + 1 rows: one in 32 bits", 2**32 + 1),
        ("row-size-largest", "a row class of as many rows as six bytes say", 2**42 - 1),
    ]
    return [
        *in_example(sizes),
        *in_tensor(halves, [("row-sizes-sum", "a third row class without a row", positions([halves]))]),
        *in_tensor(
            one,
            [
                (name, text, indx(b"\2\1" + number(size) + b"\2\1", quotients, remainders))
                for name, text, size in large
            ],
        ),
    ]


def _block_counts() -> list[Vector]:
    counts = [
        ("counts-fewer", "an entry less than META states", positions([Classed((4, 8), [3, 4])])),
        ("counts-more", "an entry more than META states", positions([Classed((4, 8), [3, 4, 20, 21])])),
        ("counts-wrap", "2^32 + 3 entries: three in 32 bits", indx(b"\1\1" + number(2**32 + 3))),
    ]
    two_rows = Classed((2, 2), [0, 1, 2], [[0]])
    beyond = indx(b"\2\1\1\3\0", b"\x80", b"")
    exchanged = diff({"a": ((8,), [1]), "b": ((8,), [2, 5])})
    data = file_of(exchanged, INDX=positions([Classed((8,), [1, 2]), Classed((8,), [5])]))
    return [
        *in_example(counts),
        *in_tensor(two_rows, [("counts-places", "three entries in a block of two places", beyond)]),
        invalid(
            "indx-counts-tensors", "as many entries as META states in all, not in each tensor", data, "INDX"
        ),
    ]
