"""META's table of tensors: names, shapes and counts made wrong, INDX and VALS being as they claim."""

from collections.abc import Sequence

from edgediff.errors import FormatError, LimitError, TruncatedError
from vectors.foreign import Classed, positions, streams
from vectors.parts import TENSORS_TEXT, edited, file, indx, meta, vals
from vectors.vector import Vector, invalid

CLAUSE = "META"
ASTRAL = "\U0001f600"


def vectors() -> list[Vector]:
    """All vectors of this topic."""
    return [*_names(), *_rows(), *_shapes(), *_counts(), *_pairs(), *_sums()]


def _file(rows: str, tensors: Sequence[Classed]) -> bytes:
    """The document's file with `rows` in META's JSON, and these tensors in INDX and VALS."""
    codes = [0] * sum(len(tensor.indices) for tensor in tensors)
    text = edited(TENSORS_TEXT, f"[{rows}]")
    return file(META=meta(text), INDX=positions(tensors), VALS=vals(codes))


def _single(rows: Sequence[tuple[str, str, str]]) -> list[Vector]:
    """Files of one tensor, which has one entry and changes as a whole."""
    return [
        invalid(f"tensors-{name}", text, _file(row, [Classed((1,), [0])]), CLAUSE) for name, text, row in rows
    ]


def _names() -> list[Vector]:
    return _single(
        [
            ("name-empty", "a tensor without a name", '["",[1],1]'),
            ("name-long", "a name of 513 characters", f'["{"n" * 513}",[1],1]'),
            ("name-long-astral", "a name of 513 pairs of UTF-16", f'["{ASTRAL * 513}",[1],1]'),
            ("name-number", "a name that is a number", "[1,[1],1]"),
            ("name-null", "a name that is null", "[null,[1],1]"),
        ]
    )


def _rows() -> list[Vector]:
    return _single(
        [
            ("row-short", "a tensor without a count", '["w",[1]]'),
            ("row-long", "a fourth item of a tensor", '["w",[1],1,1]'),
            ("row-order", "the count before the shape", '["w",1,[1]]'),
            ("row-object", "a tensor that is an object", '{"name":"w","shape":[1],"nnz":1}'),
            ("row-null", "a tensor that is null", "null"),
        ]
    )


def _shapes() -> list[Vector]:
    huge = "1" + "0" * 4000
    rows = [
        ("shape-empty", "a shape without an axis", '["w",[],1]'),
        ("shape-number", "a shape that is a number", '["w",1,1]'),
        ("shape-axes", "a shape of nine axes", '["w",[1,1,1,1,1,1,1,1,1],1]'),
        ("shape-nested", "a shape in a shape", '["w",[[1]],1]'),
        ("shape-true", "an axis that is true", '["w",[true],1]'),
        ("shape-fraction", "an axis with a fraction of zero", '["w",[1.0],1]'),
        ("shape-text", "an axis that is a text", '["w",["1"],1]'),
        ("shape-null", "an axis that is null", '["w",[null],1]'),
        ("shape-0", "an axis of nothing", '["w",[0],1]'),
        ("shape-0-of-two", "an axis of nothing beside a long one", '["w",[1024,0],1]'),
        ("shape-negative", "two axes below zero, whose product is not", '["w",[-1,-1],1]'),
        ("shape-negative-columns", "two axes below zero after another", '["w",[1,-1,-1],1]'),
        ("shape-digits", "a product of 8,001 digits", f'["w",[{huge},{huge}],1]'),
    ]
    shapes = [
        ("2-40", "2^40 + 1 entries", (2**40 + 1,)),
        ("2-41", "2^41 entries over three axes", (2**20, 2**20, 2)),
        ("2-63", "an axis of 2^63", (2**63,)),
        ("2-64", "a product of 2^64: zero in 64 bits", (2**32, 2**32)),
        ("wraps", "a product that is 2^32 in 64 bits", (2**32, 2**32 + 1)),
        ("wraps-32", "an axis that is 1 in 32 bits, and a product that is", (2**32 + 1, 2**32 + 1)),
        ("inexact", "a product that double precision does not hold", (2**27 + 1, 2**27 + 1)),
    ]
    return [
        *_single(rows),
        *(
            invalid(
                f"tensors-shape-{name}", text, _file(f'["w",{list(shape)},1]', [Classed(shape, [0])]), CLAUSE
            )
            for name, text, shape in shapes
        ),
    ]


def _counts() -> list[Vector]:
    none = _file('["w",[1],0]', [Classed((1,), [])])
    rows = [
        ("nnz-true", "a count that is true", '["w",[1],true]'),
        ("nnz-fraction", "a count with a fraction of zero", '["w",[1],1.0]'),
        ("nnz-exponent", "a count with an exponent", '["w",[1],1e0]'),
        ("nnz-text", "a count that is a text", '["w",[1],"1"]'),
        ("nnz-null", "a count that is null", '["w",[1],null]'),
        ("nnz-negative", "a count below zero", '["w",[1],-1]'),
        ("nnz-above", "one entry more than the shape has", '["w",[1],2]'),
    ]
    return [*_single(rows), invalid("tensors-nnz-0", "a tensor without a changed entry", none, CLAUSE)]


def _pairs() -> list[Vector]:
    """Two tensors that are not in strictly ascending order of their names."""
    pairs = [
        ("same", "two tensors of one name", "a", "a"),
        ("same-escaped", "two tensors of one name, one in escapes", "a", r"\u0061"),
        ("descend", "names that descend", "b", "a"),
        ("case", "lower case before upper case", "a", "B"),
        ("utf-16", "names that ascend by UTF-16 units only", ASTRAL, "\uff5e"),
        ("numbers", "names that ascend by their numbers only", "layer.9", "layer.10"),
        ("prefix", "a longer name before its beginning", "a.b", "a"),
    ]
    one = Classed((1,), [0])
    return [
        invalid(f"tensors-names-{name}", text, _file(f'["{a}",[1],1],["{b}",[1],1]', [one, one]), CLAUSE)
        for name, text, a, b in pairs
    ]


def _sums() -> list[Vector]:
    """Large counts in a small file: of tensors that change as a whole, for which INDX writes nothing."""
    most = 1 << 26

    def claimed(counts: Sequence[int]) -> bytes:
        rows = ",".join(f'["{i:03}",[{count}],{count}]' for i, count in enumerate(counts))
        numbers, *_ = streams([n for count in counts for n in (1, 1, count)], [])
        return file(META=meta(edited(TENSORS_TEXT, f"[{rows}]")), INDX=indx(numbers, b"", b""))

    table: list[tuple[str, str, list[int], str, type[FormatError]]] = [
        ("sum", "2^26 + 1 entries", [most, 1], CLAUSE, LimitError),
        ("sum-wraps", "2^32 entries: none in 32 bits", [most] * 64, CLAUSE, LimitError),
        ("one", "one tensor of 2^40 entries", [1 << 40], CLAUSE, LimitError),
        ("memory", "2^26 entries and a VALS of a few bytes", [most], "VALS", TruncatedError),
    ]
    return [
        invalid(f"tensors-sum-{name}", text, claimed(counts), clause, error)
        for name, text, counts, clause, error in table
    ]
