import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgediff.diff import Base, Diff, Head, Kind, Task, TensorDiff
from edgediff.errors import SettingError

TASK = Task("t", Kind.CLASSIFICATION, "text", labels=("no", "yes"))
HEAD = Head(np.ones((2, 4), np.float32), np.zeros(2, np.float32))
NUMBERS = st.floats(-1e6, 1e6, width=32)


def _tensor(shape, indices, values):
    return TensorDiff("w", shape, np.array(indices, np.int64), np.array(values, np.float32))


@st.composite
def _bases_and_tensors(draw):
    shape = draw(arrays.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=5))
    base = draw(arrays.arrays(np.float32, shape, elements=NUMBERS))
    changes = draw(st.dictionaries(st.integers(0, base.size - 1), NUMBERS, max_size=base.size))
    indices = sorted(changes)
    return base, _tensor(shape, indices, [changes[i] for i in indices])


@given(_bases_and_tensors())
def test_a_patch_adds_each_value_at_its_index_and_nothing_elsewhere(pair):
    base, tensor = pair
    wanted = base.flatten()
    for index, value in zip(tensor.indices, tensor.values, strict=True):
        wanted[index] = wanted[index] + value
    patched = tensor.patch(base)
    assert (patched.dtype, patched.shape) == (np.float32, base.shape)
    assert np.array_equal(patched.reshape(-1).view(np.uint32), wanted.view(np.uint32))


def test_a_patch_rounds_to_float32():
    patched = _tensor((2,), [0, 1], [1.0, 1e-9]).patch(np.array([2.0**24, 1.0], np.float32))
    assert patched.tolist() == [2.0**24, 1.0]


@pytest.mark.parametrize("layout", ["transposed", "read-only", "strided"])
def test_a_patch_is_a_copy_whatever_the_layout_of_the_base(layout):
    plain = np.arange(6, dtype=np.float32).reshape(2, 3)
    base = {
        "transposed": np.ascontiguousarray(plain.T).T,
        "read-only": np.frombuffer(plain.tobytes(), np.float32).reshape(2, 3),
        "strided": np.repeat(plain, 2, axis=1)[:, ::2],
    }[layout]
    patched = _tensor((2, 3), [1, 5], [10, 20]).patch(base)
    assert patched.tolist() == [[0, 11, 2], [3, 4, 25]]
    assert np.array_equal(base, plain)


def test_a_diff_counts_changed_encoder_entries_and_not_the_head():
    tensors = (_tensor((2, 3), [0, 4, 5], [1, 2, 3]), _tensor((), [0], [1]), _tensor((7,), [], []))
    diff = Diff(Base("b", "0" * 64, 80, 4), TASK, tensors, HEAD)
    assert [(t.nnz, t.numel) for t in tensors] == [(3, 6), (1, 1), (0, 7)]
    assert (diff.nnz, diff.density) == (4, 0.05)


def test_a_diff_without_tensors_has_density_zero():
    diff = Diff(Base("b", "0" * 64, 80, 4), TASK, (), HEAD)
    assert (diff.nnz, diff.density) == (0, 0.0)


@pytest.mark.parametrize(
    ("tensors", "head", "message"),
    [
        ([_tensor((2, 3), [0, 6], [1, 2])], HEAD, "indices do not increase strictly inside"),
        ([_tensor((2, 3), [-1, 2], [1, 2])], HEAD, "indices do not increase strictly inside"),
        ([_tensor((2, 3), [2, 2], [1, 2])], HEAD, "indices do not increase strictly inside"),
        ([_tensor((2, 3), [0, 1], [1])], HEAD, "are no two lists of one length"),
        ([_tensor((9,), [0], [1]), _tensor((9,), [1], [1])], HEAD, "occurs twice in the diff"),
        ([], Head(HEAD.weight[:1], HEAD.bias), r"head has shape \(1, 4\), expected \(2, 4\)"),
    ],
)
def test_a_diff_that_does_not_fit_together_is_found_out(tensors, head, message):
    diff = Diff(Base("b", "0" * 64, 80, 4), TASK, tuple(tensors), head)
    with pytest.raises(SettingError, match=message):
        diff.check()
