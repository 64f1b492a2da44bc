from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgediff.diff import Base, Diff, Head, Kind, Task, TensorDiff
from edgediff.errors import SettingError
from edgediff.pack import quantise
from edgediff.pack.quantise import LARGEST_ERROR

TASK = Task("t", Kind.CLASSIFICATION, "text", labels=("no", "yes"))
HEAD = Head(np.full((2, 4), 0.1, np.float32), np.array([65504, -65504], np.float32))
BITS = st.integers(2, 8)
FINITE = st.floats(-60000, 60000, width=32)
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
def test_values_move_by_at_most_an_interval_and_keep_their_signs(values, bits):
    diff = _diff(values)
    packed = quantise(diff, bits)
    (tensor,) = packed.tensors
    indices, exact = _changed(diff.tensors[0])
    assert 1 <= len(packed.levels) <= 2 ** (bits - 1)
    assert tensor.values.dtype == packed.levels.dtype == np.float32
    assert np.array_equal(tensor.indices, indices)
    assert np.array_equal(np.unique(np.abs(tensor.values)), packed.levels)
    assert np.array_equal(np.sign(tensor.values), np.sign(exact))
    interval = float(np.abs(exact).max()) / 2 ** (bits - 1)
    moved = np.abs(tensor.values.astype(np.float64) - exact)
    rounding = np.abs(tensor.values).astype(np.float64) * 2**-11 + 2**-24  # of the levels, to half precision
    assert (moved <= interval + rounding).all()


@given(VALUES.filter(np.any))
def test_more_bits_never_move_the_values_further(values):
    diff = _diff(values)
    exact = _changed(diff.tensors[0])[1].astype(np.float64)
    errors = [np.square(quantise(diff, b).tensors[0].values - exact).sum() for b in (2, 8)]
    assert errors[1] <= errors[0] + 1e-6 * np.square(exact).sum()


def test_without_bits_the_fewest_are_taken_that_keep_the_error_small():
    values = np.random.default_rng(0).normal(size=2000).astype(np.float32)
    length = float(np.square(values).sum())
    errors = {
        bits: float(np.square(quantise(_diff(values), bits).tensors[0].values - values).sum()) / length
        for bits in range(2, 9)
    }
    chosen = quantise(_diff(values))
    fewest = min(bits for bits, error in errors.items() if error <= LARGEST_ERROR)
    assert np.array_equal(chosen.levels, quantise(_diff(values), fewest).levels)
    assert 2 < fewest < 8


@given(st.lists(VALUES, max_size=3), BITS)
def test_quantising_twice_changes_nothing(values, bits):
    once = quantise(_diff(*values), bits)
    twice = quantise(once, bits)
    assert np.array_equal(once.levels, twice.levels)
    assert [(t.name, t.shape) for t in twice.tensors] == [(t.name, t.shape) for t in once.tensors]
    for first, second in zip(once.tensors, twice.tensors, strict=True):
        assert np.array_equal(first.indices, second.indices)
        assert np.array_equal(first.values, second.values)
    assert np.array_equal(once.head.weight, twice.head.weight)
    assert np.array_equal(once.head.bias, twice.head.bias)


def test_a_level_is_the_mean_of_what_lies_in_its_interval():
    found = quantise(_diff([-1, 2, 3, 4], [1.5, -4]), bits=2)
    assert found.levels.tolist() == [1.25, 3.25]
    assert [t.values.tolist() for t in found.tensors] == [[-1.25, 3.25, 3.25, 3.25], [1.25, -3.25]]


def test_zeros_are_dropped_and_so_is_a_tensor_of_zeros():
    (tensor,) = quantise(_diff([0, 5, -0.0, -5], [0, -0.0])).tensors
    assert (tensor.name, tensor.indices.tolist(), tensor.values.tolist()) == ("w0", [3, 9], [5, -5])


def test_the_diff_that_is_quantised_stays_as_it_was():
    diff = _diff([1, 2.2, 3])
    packed = quantise(diff, bits=2)
    assert packed.tensors[0].values.tolist() == [1, np.float16(2.6), np.float16(2.6)]
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


def test_a_value_beyond_half_precision_is_refused():
    with pytest.raises(SettingError, match="the largest value is 70000, half precision ends at 65504"):
        quantise(_diff([1, 70000]))


@given(arrays.arrays(np.float32, (3, 5), elements=st.floats(-1e4, 1e4, width=32)))
def test_a_head_weight_moves_by_at_most_a_hundredth_of_its_rows_largest(weight):
    task = replace(TASK, labels=("a", "b", "c"))
    diff = Diff(Base("b", "0" * 64, 1000, 5), task, (), Head(weight, np.zeros(3, np.float32)))
    found = quantise(diff).head.weight
    largest = np.abs(weight).max(1, keepdims=True)
    assert (np.abs(found - weight.astype(np.float64)) <= largest * 0.01 + 2.0**-126).all()


@pytest.mark.parametrize("field", ["weight", "bias"])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_head_that_is_not_finite_is_refused_by_field(field, value):
    diff = _diff([1])
    wrong = getattr(HEAD, field).copy()
    wrong.reshape(-1)[-1] = value
    with pytest.raises(SettingError, match=rf"^head\.{field} holds a value that is not finite"):
        quantise(replace(diff, head=replace(HEAD, **{field: wrong})))
