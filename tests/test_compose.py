from dataclasses import replace

import numpy as np
import pytest
from diffs import made_task
from hypothesis import given
from hypothesis import strategies as st

from edgediff.diff import Base, Diff, Head, TensorDiff, compose
from edgediff.errors import BaseMismatchError, SettingError

SHAPES = {"attention": (3, 4), "bias": (5,), "ffn": (2, 6)}
BASE = Base("tiny", "0" * 64, 29, 4)


@st.composite
def diffs(draw):
    """A diff of some entries of some of the three parameters."""
    tensors = []
    for name in draw(st.lists(st.sampled_from(sorted(SHAPES)), unique=True)):
        numel = int(np.prod(SHAPES[name]))
        indices = draw(st.lists(st.integers(0, numel - 1), unique=True).map(sorted))
        floats = st.floats(-1e3, 1e3, width=32)
        values = draw(st.lists(floats, min_size=len(indices), max_size=len(indices)))
        tensors.append(TensorDiff(name, SHAPES[name], np.array(indices, np.int64), np.array(values, "f4")))
    head = Head(np.full((2, 4), draw(st.integers(0, 9)), np.float32), np.zeros(2, np.float32))
    return Diff(BASE, made_task(draw(st.sampled_from("abc"))), tuple(tensors), head)


def entries(diff):
    """Every change by its place, as bits."""
    return {
        (tensor.name, int(index)): value.view(np.uint32)
        for tensor in diff.tensors
        for index, value in zip(tensor.indices, tensor.values, strict=True)
    }


@given(st.lists(diffs(), min_size=1, max_size=5), st.randoms())
def test_the_order_does_not_matter_to_the_bits_nor_to_the_overlap(several, choose):
    composed, overlap = compose(several)
    composed.check()
    shuffled = choose.sample(several, len(several))
    again, found = compose(shuffled)
    assert entries(again) == entries(composed)
    assert found == overlap
    assert again.task == shuffled[-1].task
    assert again.head is shuffled[-1].head


@given(st.lists(diffs(), min_size=1, max_size=5))
def test_every_entry_is_the_sum_of_all_that_change_it_and_the_overlap_counts_places(several):
    composed, overlap = compose(several)
    parts = {}
    for diff in several:
        for place, bits in entries(diff).items():
            parts.setdefault(place, []).append(bits.view(np.float32))
    found = entries(composed)
    assert found.keys() == parts.keys()
    for place, values in parts.items():
        assert found[place].view(np.float32) == pytest.approx(np.sum(values, dtype=float), abs=1e-3)
    assert overlap == sum(len(values) > 1 for values in parts.values())


@given(diffs())
def test_one_diff_composes_to_itself(diff):
    assert compose([diff]) == (diff, 0)


@given(diffs(), diffs())
def test_diffs_that_share_no_entry_are_put_side_by_side(first, second):
    taken = entries(first)
    apart = []
    for tensor in second.tensors:
        free = np.array([(tensor.name, int(i)) not in taken for i in tensor.indices], bool)
        apart.append(replace(tensor, indices=tensor.indices[free], values=tensor.values[free]))
    second = replace(second, tensors=tuple(apart))
    composed, overlap = compose([first, second])
    assert overlap == 0
    assert entries(composed) == taken | entries(second)


@given(diffs(), diffs())
def test_diffs_of_different_bases_are_refused_with_both_fingerprints(first, second):
    other = replace(second, base=replace(BASE, fingerprint="1" * 64))
    with pytest.raises(BaseMismatchError, match=f"{'0' * 64} and {'1' * 64}"):
        compose([first, other])


def test_nothing_composes_to_nothing():
    with pytest.raises(SettingError, match="no diff"):
        compose([])
