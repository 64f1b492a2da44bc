"""HEAD: exponents, codes and biases made wrong."""

import math

from edgediff.errors import TruncatedError
from vectors.parts import file, head
from vectors.vector import Vector, invalid

CLAUSE = "HEAD"


def vectors() -> list[Vector]:
    """All vectors of this topic."""
    whole = head()
    cut = [
        ("empty", "no byte at all", b""),
        ("cut", "the last bias ends after three bytes", whole[:-1]),
        ("no-bias", "no bias", whole[:-8]),
        ("one-row", "one row of two", head((-6,), ((64, -32),), (0,))),
    ]
    rows = ((64, -32), (64, 0), (64, 0))
    long = [
        ("trailing", "a byte after the last bias", whole + b"\0"),
        ("three-rows", "three rows for two labels", head((-6, -8, -6), rows, (0, 1, 0))),
        ("four-bytes", "the weights in single precision", bytes(2 * 2 * 4 + 2 * 4)),
    ]
    exponents = [
        ("exponent-low", "the exponent -127", head((-127, -8))),
        ("exponent-lowest", "the exponent -128", head((-6, -128))),
        ("exponent-high", "the exponent 121", head((121, -8))),
        ("exponent-highest", "the exponent 127", head((-6, 127))),
        ("not-smallest", "no code outside -63 to 63", head((-5, -8), ((32, -16), (64, 0)))),
        ("not-smallest-63", "a largest code of 63", head((-7, -8), ((63, -63), (64, 0)))),
        ("not-smallest-last", "a row whose only code is 1", head((-6, -2), ((64, -32), (1, 0)))),
        ("not-smallest-125", "a small code with the exponent -125", head((-125, -8), ((0, 63), (64, 0)))),
        ("zeros-exponent", "a row of zeros with the exponent 1", head((-6, 1), ((64, -32), (0, 0)))),
        ("zeros-lowest", "a row of zeros with the exponent -126", head((-6, -126), ((64, -32), (0, 0)))),
    ]
    others = [
        ("code-128", "the code -128", head(codes=((-128, 64), (64, 0)))),
        ("code-128-alone", "the code -128 in a row of no other", head(codes=((64, -32), (-128, 0)))),
        ("code-128-highest", "the code -128 with the exponent 120", head((120, -8), ((-128, 64), (64, 0)))),
        ("bias-nan", "a bias that is not a number", head(bias=(math.nan, 1))),
        ("bias-infinite", "a bias that is infinite", head(bias=(0, math.inf))),
        ("bias-minus-infinite", "a bias that is minus infinity", head(bias=(0, -math.inf))),
    ]
    return [
        *(invalid(f"head-{name}", text, file(HEAD=data), CLAUSE, TruncatedError) for name, text, data in cut),
        *(
            invalid(f"head-{name}", text, file(HEAD=data), CLAUSE)
            for name, text, data in (*long, *exponents, *others)
        ),
    ]
