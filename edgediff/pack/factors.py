"""The factors of products onto grids, as coarse as the bits that a number may take."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import Product
from edgediff.errors import SettingError
from edgediff.format.products import LARGEST_FACTOR

FACTOR_BITS = 3
"""What a number takes unless it is said otherwise: learnt so, it costs no score (docs/training.md)."""
_NORMAL_BITS = math.log2(2 * math.pi * math.e) / 2
"""Differential entropy of a normal distribution of unit variance."""


def onto_grids(vectors: NDArray[Any], bits: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Whole numbers for `(vectors, length)`, and the step for each vector, `(vectors, 1)`, that fits it best.

    They come of an even grid on which a number takes `bits` once it is entropy-coded, if the vector's are
    normally distributed, and less if they are not (Gish, Pierce 1968). None lies beyond the format's codes.
    """
    exact = vectors.astype(np.float64)
    length = np.sqrt(np.square(exact).mean(1, keepdims=True))
    fine = np.abs(exact).max(1, keepdims=True, initial=0) / LARGEST_FACTOR
    grid = np.maximum(length * 2.0 ** (_NORMAL_BITS - bits), fine)
    codes = np.rint(exact / np.maximum(grid, np.finfo(np.float64).tiny)) + 0.0  # no zero below zero
    steps = (exact * codes).sum(1, keepdims=True) / np.maximum(np.square(codes).sum(1, keepdims=True), 1)
    return codes, steps


def onto_steps(vectors: NDArray[np.float32], bits: int) -> NDArray[np.float32]:
    """Each of `(vectors, length)` as it is on its grid."""
    codes, steps = onto_grids(vectors, bits)
    return np.asarray((codes * steps).astype(np.float32))


def quantise_product(product: Product, bits: int) -> Product | None:
    """The product with its factors on grids; None if that leaves nothing of it. A packed one stays as it is.

    Raises:
        SettingError: a number that is not finite, or a term that single precision cannot hold.
    """
    if product.steps is not None:
        return product
    for factor in (product.left, product.right):
        if not np.isfinite(factor).all():
            raise SettingError(f"product {product.name!r} holds a value that is not finite")
    columns, column_steps = onto_grids(product.left.T, bits)
    rows, row_steps = onto_grids(product.right, bits)
    kept = columns.any(1) & rows.any(1)
    if not kept.any():
        return None
    left = np.ascontiguousarray(columns[kept].T.astype(np.float32))
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        steps = (column_steps * row_steps)[kept].astype(np.float32)
        right = rows[kept].astype(np.float32) * steps
    if not (np.isfinite(right).all() and (steps > 0).all()):
        raise SettingError(f"product {product.name!r} has a term that single precision cannot hold")
    return replace(product, left=left, right=right, steps=steps[:, 0])
