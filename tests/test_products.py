"""Products in the `.dpf` format: what is written comes back, and nothing else is written or read."""

import json
import struct
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgediff import Base, Diff, Head, Product, Task, TensorDiff, dumps, loads
from edgediff.diff import Kind, Metric, as_matrix
from edgediff.errors import EdgeDiffError, FormatError, LimitError, SettingError, TruncatedError
from edgediff.format.container import join_sections, split_sections
from edgediff.format.deflate import deflate, inflate
from edgediff.pack.factors import quantise_product

LARGEST_STEP = 2.0**120  # 127 times it is finite


def product(name, shape, codes, steps):
    """A packed product of `(rank, rows + columns)` codes and a step for each term."""
    rows, _ = as_matrix(shape)
    whole, step = np.array(codes, np.float32), np.array(steps, np.float32)
    left, right = np.ascontiguousarray(whole[:, :rows].T), whole[:, rows:] * step[:, None]
    return Product(name, shape, left, right, step)


ENTRIES = Diff(
    Base("b", "0123456789abcdef" * 4, 1000, 1),
    Task("toy", Kind.REGRESSION, "text", metric=Metric.PEARSON_SPEARMAN),
    (TensorDiff("w", (2, 3), np.array([1, 5]), np.array([0.5, -0.5], np.float32)),),
    Head(np.ones((1, 1), np.float32), np.zeros(1, np.float32)),
    levels=np.array([0.5], np.float32),
)
W = product("w", (2, 3), [[1, -2, 0, 127, -127]], [0.1])
V = product("v", (4,), [[1, 2, 3, 4, 5], [5, 4, 3, 2, 1]], [0.25, 3])
DIFF = replace(ENTRIES, products=(V, W))


@st.composite
def products(draw):
    name = draw(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10))
    shape = tuple(draw(st.lists(st.integers(1, 12), min_size=1, max_size=4)))
    rank = draw(st.integers(1, 5))
    codes = np.random.default_rng(draw(st.integers(0, 1 << 32))).integers(
        -127, 128, (rank, sum(as_matrix(shape)))
    )
    exact = st.floats(0, LARGEST_STEP, exclude_min=True, width=32)
    return product(name, shape, codes, draw(st.lists(exact, min_size=rank, max_size=rank)))


def assert_equal(found, wanted):
    assert (found.name, found.shape) == (wanted.name, wanted.shape)
    for field in ("left", "right", "steps"):
        got, want = getattr(found, field), getattr(wanted, field)
        assert got.shape == want.shape
        assert np.array_equal(got.view(np.uint32), want.view(np.uint32)), field


@given(st.lists(products(), max_size=4, unique_by=lambda each: each.name), st.booleans())
def test_what_is_written_comes_back_to_the_bit(made, entries):
    others = ENTRIES.tensors if entries and "w" not in {each.name for each in made} else ()
    data = dumps(replace(ENTRIES, tensors=others, products=tuple(made)))
    found = loads(data)
    for got, want in zip(found.products, sorted(made, key=lambda each: each.name), strict=True):
        assert_equal(got, want)
    assert [tensor.name for tensor in found.tensors] == [tensor.name for tensor in others]
    assert dumps(found) == data


@given(st.integers(0, 1 << 32), st.integers(2, 6))
def test_what_is_packed_comes_back_to_the_bit(seed, bits):
    random = np.random.default_rng(seed)
    exact = [random.normal(0, 0.1, size).astype(np.float32) for size in ((7, 2), (2, 5))]
    packed = quantise_product(Product("w", (7, 5), *exact), bits)
    (found,) = loads(dumps(replace(DIFF, tensors=(), products=(packed,)))).products
    assert_equal(found, packed)


def test_the_order_of_products_does_not_change_the_bytes():
    assert dumps(replace(DIFF, products=DIFF.products[::-1])) == dumps(DIFF)


@pytest.mark.parametrize(("diff", "version"), [(ENTRIES, 1), (DIFF, 2)])
def test_a_file_is_of_version_2_only_with_products(diff, version):
    data = dumps(diff)
    sections = split_sections(data)
    assert struct.unpack_from("<H", data, 8) == (version,)
    assert ("PROD" in sections) == (version == 2)
    assert ("products" in json.loads(inflate(sections["META"], 1 << 20, "META"))) == (version == 2)


def test_products_change_no_byte_of_the_entries_and_the_head():
    plain, whole = split_sections(dumps(ENTRIES)), split_sections(dumps(DIFF))
    assert all(plain[name] == whole[name] for name in ("INDX", "VALS", "HEAD"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": None}, "product 'w' has no steps: pack the diff before writing it"),
        ({"steps": np.array([0], np.float32)}, "its steps are not one above zero for each term"),
        ({"steps": np.array([np.inf], np.float32)}, "its steps are not one above zero for each term"),
        ({"steps": np.array([0.1, 0.1], np.float32)}, "its steps are not one above zero for each term"),
        ({"steps": np.array([0.1])}, "its steps are not one above zero for each term"),
        ({"left": W.left + np.float32(0.5)}, "product 'w' is not on its grid of steps"),
        ({"left": W.left + np.float32(127)}, "product 'w' is not on its grid of steps"),
        ({"right": np.nextafter(W.right, np.float32(1))}, "product 'w' is not on its grid of steps"),
        ({"right": W.right * np.float32(2)}, "product 'w' is not on its grid of steps"),
        (
            {"right": np.full_like(W.right, np.inf), "steps": np.array([3e38], np.float32)},
            "product 'w' is not on its grid of steps",
        ),
        ({"right": W.right[:, :2]}, r"\(2, 1\) and \(1, 2\) are no two factors of \(2, 3\)"),
        ({"name": "v"}, "tensor 'v' occurs twice in the diff"),
        ({"shape": (2, 3, 1)}, r"tensor 'w' has two shapes, \(2, 3\) for one"),
    ],
)
def test_a_product_that_is_not_packed_is_not_written(change, message):
    with pytest.raises(SettingError, match=message):
        dumps(replace(DIFF, products=(V, replace(W, **change))))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (product("u", (1,), np.ones((257, 2)), np.ones(257)), "rank 257, expected 1 to 256"),
        (product("", (1,), [[1, 1]], [1]), "name has 0 characters"),
        (product("x" * 513, (1,), [[1, 1]], [1]), "name has 513 characters"),
        (product("u", (1,) * 9, [[1, 1]], [1]), "is no shape"),
    ],
)
def test_a_product_that_no_reader_takes_is_not_written(wrong, message):
    with pytest.raises(EdgeDiffError, match=message):
        dumps(replace(DIFF, products=(wrong,)))


def claiming(rows, prod):
    """A file of version 2 with right checksums whose META names these products."""
    sections = split_sections(dumps(DIFF))
    meta = json.loads(inflate(sections["META"], 1 << 20, "META")) | {"products": rows}
    return join_sections(sections | {"META": deflate(json.dumps(meta).encode()), "PROD": prod})


STEPS = np.ones(32, "<f4").tobytes()
LARGE = [["v", [1 << 20, 1 << 20], 32]]  # 2^26 numbers, as many as there can be


@pytest.mark.parametrize(
    ("rows", "prod", "error", "message"),
    [
        (LARGE, STEPS + deflate(b"\1"), TruncatedError, "too few for 67108864 numbers"),
        ([*LARGE, ["x", [1], 1]], STEPS, LimitError, "products of 67108866 numbers, the format allows"),
        ([["v", [1], 1]], STEPS[:4] + deflate(bytes(1 << 24)), FormatError, "more than the 2 bytes"),
        ([["v", [1], 256]], STEPS, TruncatedError, "too few for the steps of 256 terms"),
    ],
)
def test_numbers_that_are_only_claimed_take_no_memory(rows, prod, error, message):
    data = claiming(rows, prod)
    tracemalloc.start()
    with pytest.raises(error, match=message):
        loads(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_every_flipped_bit_of_a_file_with_products_is_noticed():
    data = dumps(DIFF)
    assert len(loads(data).products) == 2
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FormatError):
            loads(bytes(changed))
