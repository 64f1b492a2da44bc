"""Section PROD: the factors of products, a deflated byte a number. See docs/format.md, "PROD"."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import Product, as_matrix
from edgediff.errors import FormatError, SettingError, TruncatedError
from edgediff.format.deflate import MAX_DEFLATE_RATIO, deflate, inflate
from edgediff.format.metadata import ProductEntry

LARGEST_FACTOR = 127
_STEP = np.dtype("<f4")


def encode_products(products: Sequence[Product]) -> bytes:
    """Section PROD.

    Raises:
        SettingError: a product is not packed.
    """
    steps = np.concatenate([_steps(product) for product in products])
    codes = np.concatenate([_codes(product) for product in products])
    return steps.astype(_STEP).tobytes() + deflate(codes.tobytes(), huffman_only=True)


def decode_products(data: bytes, entries: Sequence[ProductEntry]) -> tuple[Product, ...]:
    """The inverse of `encode_products`.

    Raises:
        FormatError: of the kind that says what is wrong.
    """
    terms, numbers = sum(entry.rank for entry in entries), sum(entry.size for entry in entries)
    if len(data) < _STEP.itemsize * terms:
        raise TruncatedError(f"section PROD has {len(data)} bytes, too few for the steps of {terms} terms")
    if numbers > MAX_DEFLATE_RATIO * len(data):
        raise TruncatedError(f"section PROD has {len(data)} bytes, too few for {numbers} numbers")
    steps = np.frombuffer(data, _STEP, terms).astype(np.float32)
    if not (np.isfinite(steps).all() and (steps > 0).all()):
        raise FormatError("section PROD holds a step that is not finite and above zero")
    codes = np.frombuffer(inflate(data[steps.nbytes :], numbers, "PROD"), np.int8)
    if len(codes) != numbers:
        raise TruncatedError(f"section PROD holds {len(codes)} codes, the products have {numbers} numbers")
    if (codes == -LARGEST_FACTOR - 1).any():
        raise FormatError(f"section PROD holds the code {-LARGEST_FACTOR - 1}")
    products, term, number = list[Product](), 0, 0
    for entry in entries:
        rows, columns = as_matrix(entry.shape)
        own = codes[number : number + entry.size].reshape(entry.rank, rows + columns).astype(np.float32)
        step = steps[term : term + entry.rank]
        with np.errstate(over="ignore"):
            left, right = np.ascontiguousarray(own[:, :rows].T), own[:, rows:] * step[:, None]
        if not np.isfinite(right).all():
            raise FormatError(f"section PROD: a step of {entry.name!r} is too large for its codes")
        products.append(Product(entry.name, entry.shape, left, right, step))
        term, number = term + entry.rank, number + entry.size
    return tuple(products)


def _steps(product: Product) -> NDArray[np.float32]:
    steps = product.steps
    if steps is None:
        raise SettingError(f"product {product.name!r} has no steps: pack the diff before writing it")
    typed = steps.dtype == np.float32 and steps.shape == (product.rank,)
    if not (typed and np.isfinite(steps).all() and (steps > 0).all()):
        raise SettingError(f"product {product.name!r}: its steps are not one above zero for each term")
    return steps


def _codes(product: Product) -> NDArray[np.int8]:
    """Its numbers as they are written: term after term a column and a row."""
    steps = _steps(product)[:, None]
    exact = np.concatenate([product.left.T, product.right], 1)
    rows = len(product.left)
    with np.errstate(over="ignore"):  # what is too large is refused below
        codes = np.concatenate([product.left.T, product.right / steps], 1)
        whole = np.clip(np.rint(codes), -LARGEST_FACTOR, LARGEST_FACTOR)
        written = np.concatenate([whole[:, :rows], whole[:, rows:] * steps], 1)
    if not (np.isfinite(exact).all() and np.array_equal(written, exact)):
        raise SettingError(f"product {product.name!r} is not on its grid of steps: pack the diff first")
    return np.asarray(whole.astype(np.int8).reshape(-1))
