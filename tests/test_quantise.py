from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgediff.diff import Base, Diff, Head, Kind, Task, TensorDiff
from edgediff.errors import SettingError
from edgediff.pack import quantise

TASK = Task("t", Kind.CLASSIFICATION, "text", labels=("no", "yes"))
HEAD = Head(np.full((2, 4), 0.1, np.float32), np.array([65504, -65504], np.float32))
BITS = st.integers(2, 8)
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
NARROW = st.integers(0, 9).map(lambda steps: np.float32(1) + steps * np.spacing(np.float32(1)))
VALUES = st.integers(1, 30).flatmap(
    lambda count: arrays.arrays(np.float32, count, elements=st.one_of(FINITE, NARROW, st.just(0.0)))
)


def _diff(*values):
    tensors = tuple(
        TensorDiff(f"w{number}", (3 * len(array),), np.arange(0, 3 * len(array), 3), np.float32(array))
        for number, array in enumerate(values)
    )
    return Diff(Base("b", "0" * 64, 1000, 4), TASK, tensors, HEAD, {"method": "structured"})


def _changed(tensor):
    """The entries of `tensor` that quantising keeps: all but the zeros."""
    return tensor.indices[tensor.values != 0], tensor.values[tensor.values != 0]


@given(VALUES.filter(np.any), BITS)
def test_values_move_to_the_grid_by_at_most_half_a_step_and_keep_their_signs(values, bits):
    diff = _diff(values)
    (tensor,) = quantise(diff, bits).tensors
    indices, exact = _changed(diff.tensors[0])
    assert tensor.grid.bits == bits
    assert tensor.values.dtype == np.float32
    assert np.array_equal(tensor.indices, indices)
    assert np.isin(np.abs(tensor.values), tensor.grid.magnitudes()).all()
    assert np.array_equal(np.sign(tensor.values), np.sign(exact))
    step = (tensor.grid.high - tensor.grid.low) / (2 ** (bits - 1) - 1)
    moved = np.abs(tensor.values.astype(np.float64) - exact)
    rounding = np.abs(tensor.values).astype(np.float64) * 2**-23 + 2**-149  # of the grid, to float32
    assert (moved <= step / 2 + rounding).all()


@given(VALUES.filter(np.any), BITS)
def test_the_smallest_and_the_largest_magnitude_stay_exact(values, bits):
    diff = _diff(values)
    (tensor,) = quantise(diff, bits).tensors
    magnitudes = np.abs(_changed(diff.tensors[0])[1])
    assert (tensor.grid.low, tensor.grid.high) == (magnitudes.min(), magnitudes.max())
    for extreme in (magnitudes.min(), magnitudes.max()):
        assert (np.abs(tensor.values[magnitudes == extreme]) == extreme).all()


@given(st.lists(VALUES, max_size=3), BITS)
def test_quantising_twice_changes_nothing(values, bits):
    once = quantise(_diff(*values), bits)
    twice = quantise(once, bits)
    assert [(t.name, t.shape, t.grid) for t in twice.tensors] == [
        (t.name, t.shape, t.grid) for t in once.tensors
    ]
    for first, second in zip(once.tensors, twice.tensors, strict=True):
        assert np.array_equal(first.indices, second.indices)
        assert np.array_equal(first.values, second.values)
    assert np.array_equal(once.head.weight, twice.head.weight)
    assert np.array_equal(once.head.bias, twice.head.bias)


def test_each_tensor_has_a_grid_of_its_own():
    found = quantise(_diff([-1, 2, 3.1, 4], [10, -40, 31]), bits=3).tensors
    assert found[0].values.tolist() == [-1, 2, 3, 4]
    assert found[1].values.tolist() == [10, -40, 30]


def test_zeros_are_dropped_and_so_is_a_tensor_of_zeros():
    (tensor,) = quantise(_diff([0, 5, -0.0, -5], [0, -0.0])).tensors
    assert (tensor.name, tensor.indices.tolist(), tensor.values.tolist()) == ("w0", [3, 9], [5, -5])


def test_the_diff_that_is_quantised_stays_as_it_was():
    diff = _diff([1, 2.2, 3])
    packed = quantise(diff, bits=2)
    assert packed.tensors[0].values.tolist() == [1, 3, 3]
    assert diff.tensors[0].values.tolist() == np.float32([1, 2.2, 3]).tolist()
    assert np.array_equal(diff.head.weight, np.full((2, 4), 0.1, np.float32))
    assert (packed.base, packed.task, packed.provenance) == (diff.base, diff.task, diff.provenance)


@pytest.mark.parametrize("bits", [-1, 0, 1, 9])
def test_bits_outside_their_range_are_refused(bits):
    with pytest.raises(SettingError, match=f"^bits is {bits}, expected a whole number from 2 to 8$"):
        quantise(_diff([1, 2]), bits)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused_by_tensor(value):
    with pytest.raises(SettingError, match=r"^tensor 'w1' holds a value that is not finite$"):
        quantise(_diff([1, 2], [0, value]))


def test_the_head_is_rounded_to_half_precision_up_to_its_largest_number():
    head = quantise(_diff([1])).head
    assert head.weight.dtype == head.bias.dtype == np.float32
    assert np.unique(head.weight).tolist() == [float(np.float16(0.1))]
    assert head.bias.tolist() == [65504, -65504]


@pytest.mark.parametrize("field", ["weight", "bias"])
@pytest.mark.parametrize("value", [65520, -1e9, np.inf, np.nan])
def test_a_head_beyond_half_precision_is_refused_by_field(field, value):
    diff = _diff([1])
    wrong = getattr(HEAD, field).copy()
    wrong.reshape(-1)[-1] = value
    with pytest.raises(SettingError, match=rf"^head\.{field} holds a value that half precision cannot"):
        quantise(replace(diff, head=replace(HEAD, **{field: wrong})))
