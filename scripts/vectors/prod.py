"""Version 2: products in META, and PROD with its steps and codes."""

import math
import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgediff import Diff, Product, dumps
from edgediff.errors import FormatError, LimitError, TruncatedError, VersionError
from vectors.parts import (
    EXAMPLE,
    PRODUCT,
    container,
    deflate,
    diff,
    file_with_products,
    head,
    indx,
    meta,
    meta_with_products,
    prod,
    section,
    stored,
    vals,
)
from vectors.vector import Vector, invalid, valid

CODES = bytes([1, 254, 0, 127, 2, 255, 0, 127, 1, 1, 1, 1])


def vectors() -> list[Vector]:
    """All vectors of this topic."""
    return [*_written(), *_streams(), *_versions(), *_tables(), *_steps(), *_codes()]


def _product(name: str, shape: tuple[int, ...], rank: int, steps: Sequence[float] = (0.25,)) -> Product:
    """A product whose codes go up and down through all that there are."""
    rows = 1 if len(shape) == 1 else shape[0]
    columns = math.prod(shape) // rows
    codes = (np.arange(rank * (rows + columns)) * 89 % 255 - 127).reshape(rank, rows + columns)
    step = np.resize(np.array(steps, np.float32), rank)
    right = codes[:, rows:].astype(np.float32) * step[:, None]
    return Product(name, shape, np.ascontiguousarray(codes[:, :rows].T.astype(np.float32)), right, step)


def _with(*products: Product, entries: bool = False) -> Diff:
    return replace(EXAMPLE if entries else diff({}), products=products)


def _written() -> list[Vector]:
    """As edgediff writes them."""
    tiny, largest = float(np.finfo(np.float32).smallest_subnormal), float(np.finfo(np.float32).max)
    odd = [0.1, 1 / 3, 1e-20, 7e5]
    large = np.array([largest, np.nextafter(np.float32(largest / 127), np.float32(0))], np.float32)
    edge = np.array([[1, -1], [127, -127]], np.float32) * large[:, None]
    zeros = replace(PRODUCT, left=np.zeros_like(PRODUCT.left))
    order = ["A", "a", "layer.10", "layer.9", "\u00e9", "\uff5e", "\U0001f600"]
    rows = [
        ("one", "one product of rank 1, and entries of the same parameter", _with(PRODUCT, entries=True)),
        ("alone", "a product and no entry", _with(PRODUCT)),
        ("rank-3", "three terms", _with(_product("w", (4, 8), 3, odd))),
        ("rank-256", "as many terms as there can be, more than rows", _with(_product("w", (2, 3), 256))),
        ("vector", "a product of a vector: one row", _with(_product("w", (7,), 2))),
        ("axes", "four axes: three of them are the columns", _with(_product("w", (3, 2, 1, 4), 2))),
        ("zeros", "a column of zeros", _with(zeros)),
        ("step-least", "the smallest step there is", _with(_product("w", (2, 2), 1, [tiny]))),
        (
            "step-largest",
            "the largest step there is, and one with the largest codes: their rows just stay finite",
            _with(Product("w", (1, 2), np.array([[1, -1]], np.float32), edge, large)),
        ),
        ("order", "names ascend by code points", _with(*(_product(name, (2, 2), 1) for name in order))),
        (
            "other",
            "a product of one parameter, entries of another",
            _with(_product("v", (5, 2), 1), entries=True),
        ),
    ]
    return [valid(f"prod-{name}", text, dumps(whole), whole) for name, text, whole in rows]


def _streams() -> list[Vector]:
    right = [
        ("stored", "the codes in a stored block", stored(CODES)),
        ("blocks", "the codes in two blocks", stored(CODES[:5], final=False) + deflate(CODES[5:])),
    ]
    wrong = [
        ("plain", "codes that are not deflated", CODES),
        ("zlib", "a zlib header and trailer around the deflate stream", zlib.compress(CODES)),
        ("trailing", "a byte after the end of the stream", deflate(CODES) + b"\0"),
        ("cut", "a stream without its last byte", deflate(CODES)[:-1]),
        ("not-final", "a stream whose last block is not marked as the last", stored(CODES, final=False)),
    ]
    content = _with(PRODUCT, entries=True)
    return [
        *(
            valid(f"prod-stream-{name}", text, file_with_products(PROD=prod(deflated=data)), content)
            for name, text, data in right
        ),
        *(
            invalid(f"prod-stream-{name}", text, file_with_products(PROD=prod(deflated=data)), "Conventions")
            for name, text, data in wrong
        ),
    ]


def _versions() -> list[Vector]:
    one = {"META": meta(), "INDX": indx(), "VALS": vals(), "HEAD": head()}
    two = one | {"META": meta_with_products()}

    def of(version: int, contents: dict[str, bytes]) -> bytes:
        return container(*(section(name, content) for name, content in contents.items()), version=version)

    with_prod = {name: two.get(name, prod()) for name in ("META", "INDX", "VALS", "PROD", "HEAD")}
    first = {name: with_prod[name] for name in ("META", "PROD", "INDX", "VALS", "HEAD")}
    return [
        invalid("prod-version-1-products", "products in META of version 1", of(1, two), "META"),
        invalid("prod-version-1-section", "PROD in version 1", of(1, with_prod), "Container", VersionError),
        invalid("prod-version-2-without", "version 2 without PROD", of(2, two), "Container", VersionError),
        invalid("prod-version-2-order", "PROD before INDX", of(2, first), "Container", VersionError),
        invalid(
            "prod-version-2-meta",
            "version 2 whose META has no field products",
            of(2, with_prod | {"META": meta()}),
            "META",
        ),
    ]


def _tables() -> list[Vector]:
    """What META says of products."""
    lots = ",".join(f'["{i:04}",[1,1],1]' for i in range(4097))
    rows: list[tuple[str, str, str, type[FormatError]]] = [
        ("empty", "no product", "[]", FormatError),
        ("object", "products that are an object", "{}", FormatError),
        ("pair", "a product without its rank", '[["w",[4,8]]]', FormatError),
        ("rank-0", "a rank of 0", '[["w",[4,8],0]]', FormatError),
        ("rank-257", "a rank of 257", '[["w",[4,8],257]]', FormatError),
        ("rank-negative", "a rank below 0", '[["w",[4,8],-1]]', FormatError),
        ("rank-true", "a rank that is true", '[["w",[4,8],true]]', FormatError),
        ("rank-float", "a rank of 1.0", '[["w",[4,8],1.0]]', FormatError),
        ("name-empty", "a name without a character", '[["",[4,8],1]]', FormatError),
        ("twice", "a name that is there twice", '[["w",[4,8],1],["w",[4,8],1]]', FormatError),
        ("descending", "names that descend", '[["w",[4,8],1],["v",[4,8],1]]', FormatError),
        ("shape-empty", "a shape without an axis", '[["v",[],1]]', FormatError),
        ("shape-zero", "an axis of 0", '[["v",[4,0],1]]', FormatError),
        ("shape-other", "another shape than the tensor of that name", '[["w",[8,4],1]]', FormatError),
        ("shape-large", "a shape of more than 2^40", '[["v",[1048576,2097152],1]]', FormatError),
        ("numbers", "products of more than 2^26 numbers", '[["v",[1048576,1048576],33]]', LimitError),
        ("many", "4,097 products", f"[{lots}]", LimitError),
    ]
    return [
        invalid(f"prod-meta-{name}", text, file_with_products(META=meta_with_products(table)), "META", error)
        for name, text, table, error in rows
    ]


def _steps() -> list[Vector]:
    wrong = [
        ("zero", "a step of 0", 0.0),
        ("minus-zero", "a step of minus zero", -0.0),
        ("negative", "a step below 0", -0.25),
        ("nan", "a step that is not a number", math.nan),
        ("infinite", "a step that is infinite", math.inf),
        ("large", "a step that is too large for its row", 3e38),
    ]
    short = [("none", "no byte at all", b""), ("cut", "a step that ends after three bytes", b"\0\0\x80")]
    return [
        *(
            invalid(f"prod-step-{name}", text, file_with_products(PROD=prod(steps=(step,))), "PROD")
            for name, text, step in wrong
        ),
        *(
            invalid(f"prod-step-{name}", text, file_with_products(PROD=data), "PROD", TruncatedError)
            for name, text, data in short
        ),
    ]


def _codes() -> list[Vector]:
    codes = [code - 256 if code > 127 else code for code in CODES]
    rows: list[tuple[str, str, bytes, type[FormatError]]] = [
        ("column", "the code -128 in a column", prod([-128, *codes[1:]]), FormatError),
        ("row", "the code -128 in a row", prod([*codes[:-1], -128]), FormatError),
        ("fewer", "a code less than numbers", prod(codes[:-1]), TruncatedError),
        ("no-code", "not a single code", prod([]), TruncatedError),
        ("more", "a code more than numbers", prod([*codes, 0]), FormatError),
        ("bomb", "codes that inflate to 10 MiB", prod(deflated=deflate(bytes(10 << 20))), FormatError),
    ]
    large = file_with_products(META=meta_with_products('[["v",[1048576,1048576],1]]'))
    return [
        *(
            invalid(f"prod-code-{name}", text, file_with_products(PROD=data), "PROD", error)
            for name, text, data, error in rows
        ),
        invalid("prod-code-claimed", "2^21 numbers in a few bytes", large, "PROD", TruncatedError),
    ]
