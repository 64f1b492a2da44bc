"""A product spread over a packed parameter adds to each element what the dense matrix would."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgediff.diff import Product
from edgediff.runtime.blocks import find_blocks


def _product(shape, rank, seed=0):
    rng = np.random.default_rng(seed)
    left, right = (rng.standard_normal(size, np.float32) for size in ((shape[0], rank), (rank, shape[1])))
    return Product("w", shape, left, right)


def _kernel_order(rows, columns, wide, deep):
    """As matrix kernels pack: `wide` rows side by side, `deep` columns at a time, the last ones filled up."""
    padded = -(-rows // wide) * wide
    row, column = np.divmod(np.arange(rows * columns), columns)
    part, inside = np.divmod(column, deep)
    lengths = np.minimum(deep, columns - deep * part)
    return (part * deep * padded + row // wide * wide * lengths + inside * wide + row % wide).astype(np.int32)


def _check(product, order):
    """Spread over a region that holds nothing else, and compare each element's bits."""
    blocks = find_blocks(product.shape, order)
    size = product.dense().size if order is None else int(order.max()) + 1
    region = np.full(size, np.nan, np.float32)
    for block in blocks:
        part = region[block.start : block.start + block.size]
        assert np.isnan(part).all()  # no element twice
        part[:] = block.spread(product, np.empty(block.size + 3, np.float32))
    found = region if order is None else region[order]
    assert np.array_equal(found.view(np.uint32), product.dense().reshape(-1).view(np.uint32))
    assert np.count_nonzero(~np.isnan(region)) == found.size  # and nothing beside them
    return blocks


ORDERS = {
    "one by one": lambda rows, columns: None,
    "transposed": lambda rows, columns: (
        np.arange(rows * columns, dtype=np.int32).reshape(columns, rows).T.reshape(-1)
    ),
    "in every second place": lambda rows, columns: 2 * np.arange(rows * columns, dtype=np.int32),
    "rows with gaps": lambda rows, columns: (
        (np.arange(rows)[:, None] * (columns + 8) + np.arange(columns)).astype(np.int32).reshape(-1)
    ),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (16, 24), (5, 3), (64, 64)], ids=str)
@pytest.mark.parametrize("rank", [1, 3])
def test_every_order_gives_the_dense_matrixs_bits(order, shape, rank):
    _check(_product(shape, rank), ORDERS[order](*shape))


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([1, 2, 4, 8, 16]),
    st.integers(1, 40),
    st.integers(0, 2**32 - 1),
)
def test_kernels_blocks_of_any_size_give_the_dense_matrixs_bits(rows, columns, wide, deep, seed):
    _check(_product((rows, columns), 2, seed), _kernel_order(rows, columns, wide, deep))


@given(st.integers(1, 12), st.integers(1, 12), st.randoms())
def test_any_order_at_all_gives_the_dense_matrixs_bits(rows, columns, choose):
    order = list(range(rows * columns + 5))
    choose.shuffle(order)
    _check(_product((rows, columns), 1), np.array(order[: rows * columns], np.int32))


def test_a_kernels_order_is_few_blocks():
    blocks = _check(_product((384, 1536), 1), _kernel_order(384, 1536, 16, 256))
    assert [(block.pieces, block.lines, block.width) for block in blocks] == [(24, 256, 16)] * 6


def test_a_product_of_one_term_is_an_outer_product_and_terms_are_added_in_their_order():
    product = _product((3, 4), 3)
    terms = [np.outer(product.left[:, t], product.right[t]) for t in range(3)]
    assert np.array_equal(product.dense(), (terms[0] + terms[1]) + terms[2])
