"""VALS: its levels and the stream of codes."""

import math
import zlib
from dataclasses import replace

import numpy as np

from edgediff.errors import FormatError, TruncatedError
from vectors.foreign import file_of
from vectors.parts import EXAMPLE, deflate, diff, file, stored, vals
from vectors.vector import Vector, invalid, valid

CLAUSE = "VALS"


def vectors() -> list[Vector]:
    """All vectors of this topic."""
    return [*_valid(), *_levels(), *_codes(), *_streams()]


def _valid() -> list[Vector]:
    codes = bytes([1, 2, 3])
    streams = [
        ("stored", "the codes in a stored block", stored(codes)),
        ("blocks", "the codes in two blocks", stored(codes[:1], final=False) + deflate(codes[1:])),
    ]
    table = [0.125, 0.25, 0.375, 0.5, 0.625]
    unused = replace(EXAMPLE, levels=np.array(table, np.float32))
    copies = diff({"w": ((64, 8), range(0, 512, 2))}, (0.5,))
    return [
        *(
            valid(f"vals-stream-{name}", text, file(VALS=vals(deflated=data)), EXAMPLE)
            for name, text, data in streams
        ),
        valid("vals-unused", "levels that no entry has", file(VALS=vals([3, 6, 8], table)), unused),
        valid(
            "vals-copies",
            "codes that are deflated with copies of what came before",
            file_of(copies, VALS=vals(levels=(0.5,), deflated=deflate(bytes([0, 1] * 128)))),
            copies,
        ),
    ]


def _levels() -> list[Vector]:
    wrong = [
        ("nan", "a level that is not a number", (0.25, math.nan)),
        ("nan-first", "a first level that is not a number", (math.nan, 0.5)),
        ("infinite", "a level that is infinite", (0.25, math.inf)),
        ("minus-infinite", "a level that is minus infinity", (-math.inf, 0.5)),
        ("zero", "a level of zero", (0.0, 0.5)),
        ("minus-zero", "a level of minus zero", (-0.0, 0.5)),
        ("negative", "a level below zero", (-0.25, 0.5)),
        ("equal", "two levels are equal", (0.5, 0.5)),
        ("descending", "levels that descend", (0.5, 0.25)),
    ]
    many = [i / 128 for i in range(1, 257)]
    counts = [
        ("129", "129 levels", vals(levels=many[:129])),
        ("256", "256 levels", vals(levels=many)),
    ]
    ends = [
        ("empty", "no byte at all", b""),
        ("count-only", "L - 1 and no more", b"\1"),
        ("cut", "the last level ends after one byte", b"\1\0\x34\0"),
        ("missing", "L is 128, two levels and the codes follow", vals(count=128)),
    ]
    return [
        *(
            invalid(f"vals-level-{name}", text, file(VALS=vals(levels=levels)), CLAUSE)
            for name, text, levels in wrong
        ),
        *(invalid(f"vals-levels-{name}", text, file(VALS=data), CLAUSE) for name, text, data in counts),
        *(
            invalid(f"vals-levels-{name}", text, file(VALS=data), CLAUSE, TruncatedError)
            for name, text, data in ends
        ),
    ]


def _codes() -> list[Vector]:
    table: list[tuple[str, str, bytes, type[FormatError]]] = [
        ("large", "the code 4 for two levels", vals([1, 2, 4]), FormatError),
        ("large-first", "a code that is too large before others", vals([255, 2, 3]), FormatError),
        ("large-for-one", "the code 2 for one level", vals([0, 1, 2], (0.5,)), FormatError),
        ("fewer", "a code less than entries", vals([1, 2]), TruncatedError),
        ("none", "not a single code", vals([]), TruncatedError),
        ("more", "a code more than entries", vals([1, 2, 3, 0]), FormatError),
        ("bomb", "codes that inflate to 10 MiB", vals(deflated=deflate(bytes(10 << 20))), FormatError),
    ]
    none = file_of(diff({}), VALS=vals([0]))
    return [
        *(invalid(f"vals-codes-{name}", text, file(VALS=data), CLAUSE, e) for name, text, data, e in table),
        invalid("vals-codes-no-tensor", "a code without a tensor", none, CLAUSE),
    ]


def _streams() -> list[Vector]:
    codes = bytes([1, 2, 3])
    whole = deflate(codes)
    damaged = [
        ("plain", "codes that are not deflated", codes),
        ("zlib", "a zlib header and trailer around the deflate stream", zlib.compress(codes)),
        ("trailing", "a byte after the end of the stream", whole + b"\0"),
        ("cut", "a stream without its last byte", whole[:-1]),
        ("not-final", "a stream whose last block is not marked as the last", stored(codes, final=False)),
        ("missing", "no byte at all after the levels", b""),
    ]
    return [
        invalid(f"vals-stream-{name}", text, file(VALS=vals(deflated=data)), "Conventions")
        for name, text, data in damaged
    ]
