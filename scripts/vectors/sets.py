"""Sets: members outside their universe, and the streams of quotients and remainders made wrong."""

from collections.abc import Sequence

from edgediff.errors import FormatError, TruncatedError
from vectors.classes import THIRDS
from vectors.foreign import Classed, NumberSet, encode, file_of, streams
from vectors.indx import in_example, in_tensor
from vectors.parts import diff, indx
from vectors.vector import Vector, invalid


def vectors() -> list[Vector]:
    """All vectors of this topic."""
    return [*_members(), *_quotients(), *_remainders(), *_nothing(), *_no_tensor()]


def _beyond(name: str, text: str, tensor: Classed, at: int, written: Sequence[int]) -> list[Vector]:
    """A file in which other numbers are written for set `at`, as many as there should be."""
    numbers, sets = encode([tensor])
    if len(sets[at].written) != len(written):
        raise ValueError(f"{name}: {len(sets[at].written)} numbers are written for set {at}")
    sets[at] = NumberSet(sets[at].universe, written)
    return in_tensor(tensor, [(f"member-{name}", text, indx(*streams(numbers, sets)))], clause="Sets")


def _members() -> list[Vector]:
    plain = Classed((4, 8), [3, 4, 20])
    most = Classed((8,), [0, 1, 2, 4, 5, 7])
    both = Classed((8, 8), THIRDS, [[1, 6]], [[2, 3, 5]])
    left = Classed((4, 8), [3], [[0], [2]])
    block = Classed((4, 8), [3, 9], [[0, 1]])
    return [
        *_beyond("next", "an entry just behind the tensor", plain, 0, [3, 4, 32]),
        *_beyond("far", "an entry far behind the tensor", plain, 0, [3, 4, 100_000]),
        *_beyond("wraps", "an entry that is inside in 32 bits", Classed((1 << 31,), [5]), 0, [2**32 + 5]),
        *_beyond("2-40", "an entry just behind 2^40 others", Classed((1 << 40,), [0]), 0, [1 << 40]),
        *_beyond("inverted", "an inverted set lacks a number that it cannot have", most, 0, [3, 8]),
        *_beyond("row", "a row just behind the last", both, 0, [1, 8]),
        *_beyond("column", "a column just behind the last", both, 1, [2, 3, 8]),
        *_beyond("left", "a row that is there, but not among those left", left, 1, [3]),
        *_beyond("block", "an entry behind its block, inside the tensor", block, 1, [3, 16]),
    ]


def _quotients() -> list[Vector]:
    counts = [
        ("quotients-fewer", "two ones for three entries", indx(quotients=b"\xc0")),
        ("quotients-more", "four ones for three entries", indx(quotients=b"\xd8")),
        ("quotients-fill-bit", "the last bit that fills the byte is set", indx(quotients=b"\xd1")),
        ("quotients-byte-after", "a byte of zeros after the last one", indx(quotients=b"\xd0\0")),
        (
            "quotients-endless",
            "zeros without end in place of the last",
            indx(quotients=b"\xc0" + bytes(1000)),
        ),
        ("quotients-zeros", "zeros without end after the last", indx(quotients=b"\xd0" + bytes(1000))),
    ]
    nine = Classed((40,), range(0, 36, 4))
    numbers, _, remainders = streams(*encode([nine]))
    short = indx(numbers, b"\xff", remainders)
    first = Classed((64,), range(8))
    numbers, quotients, remainders = streams(*encode([first]))
    after = indx(numbers, quotients + b"\0", remainders)
    return [
        *in_example(counts),
        *in_tensor(
            first, [("quotients-byte-possible", "a byte of zeros where later entries could be", after)]
        ),
        *in_example([("quotients-none", "no byte for three entries", indx(quotients=b""))], TruncatedError),
        *in_tensor(nine, [("quotients-8-bits", "eight bits for nine entries", short)], TruncatedError),
    ]


def _remainders() -> list[Vector]:
    ends = [
        ("remainders-none", "no remainder", indx(remainders=b"")),
        ("remainders-cut", "the second byte is missing", indx(remainders=b"\x63")),
        ("remainders-trailing", "a byte after the last remainder", indx(remainders=b"\x63\x80\0")),
    ]
    fill = [
        ("remainders-fill-last", "the last bit that fills the byte is set", indx(remainders=b"\x63\x81")),
        ("remainders-fill-first", "the first bit after the last is set", indx(remainders=b"\x63\xc0")),
    ]
    two = Classed((4, 16), [0, 1], [[0]])  # a stream of one bit, and one of two remainders of two bits
    numbers, quotients, _ = streams(*encode([two]))
    between = indx(numbers, quotients, b"\1\0")
    joined = indx(numbers, quotients, b"\0")
    even = Classed((4,), [0, 3])
    numbers, quotients, _ = streams(*encode([even]))
    needless = indx(numbers, quotients, b"\0")
    return [
        *in_example(ends, TruncatedError),
        *in_example(fill, clause="Conventions"),
        *in_tensor(
            two,
            [("remainders-fill-between", "a fill bit of the first of two streams is set", between)],
            clause="Conventions",
        ),
        *in_tensor(
            two,
            [("remainders-joined", "the second stream goes on in the byte of the first", joined)],
            TruncatedError,
        ),
        *in_tensor(even, [("remainders-k-0", "a byte of remainders where k is 0", needless)], TruncatedError),
    ]


def _nothing() -> list[Vector]:
    """Streams that hold something where a set writes nothing, as all entries change."""
    full, numbers = Classed((2, 3), range(6)), b"\1\1\6"
    quotients = [
        ("full-zeros", "a byte of zeros among the quotients of no gap", indx(numbers, b"\0", b"")),
        ("full-one", "a one among the quotients of no gap", indx(numbers, b"\x80", b"")),
    ]
    remainders = [("full-remainder", "a byte of remainders of no gap", indx(numbers, b"", b"\0"))]
    return [*in_tensor(full, quotients), *in_tensor(full, remainders, TruncatedError)]


def _no_tensor() -> list[Vector]:
    none = diff({})
    table: list[tuple[str, str, bytes, type[FormatError]]] = [
        ("number", "a number without a tensor", indx(b"\1", b"", b""), TruncatedError),
        ("quotient", "a quotient without a tensor", indx(b"", b"\x80", b""), FormatError),
        ("remainder", "a remainder without a tensor", indx(b"", b"", b"\0"), TruncatedError),
    ]
    return [
        invalid(f"indx-no-tensor-{name}", text, file_of(none, INDX=data), "INDX", error)
        for name, text, data, error in table
    ]
