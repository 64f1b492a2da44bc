"""Packing to a number of bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgediff import Base, Diff, Head, Task, TensorDiff, dumps
from edgediff.diff import Kind
from edgediff.errors import SettingError
from edgediff.pack import fit, largest_count, quantise


def _diff(seed=0, count=3000):
    """Two tensors, one of which changes in some of its rows alone."""
    generator = np.random.default_rng(seed)
    tensors = []
    for name, rows in (("even", 200), ("rows", 10)):
        indices = np.sort(generator.choice(rows * 100, min(count, rows * 100) // 2, replace=False))
        values = generator.normal(size=len(indices)).astype(np.float32)
        tensors.append(TensorDiff(name, (200, 100), indices, values))
    head = Head(generator.normal(size=(2, 4)).astype(np.float32), np.zeros(2, np.float32))
    task = Task("t", Kind.CLASSIFICATION, "text", labels=("no", "yes"))
    return Diff(Base("b", "0" * 64, 40_000, 4), task, tuple(tensors), head)


WHOLE = len(dumps(quantise(_diff())))
EMPTY = len(dumps(quantise(Diff(_diff().base, _diff().task, (), _diff().head))))


@settings(max_examples=20)  # each packs a dozen times
@given(st.integers(EMPTY, WHOLE - 1))
def test_the_file_is_no_larger_than_allowed_and_nearly_as_large(max_bytes):
    size = len(dumps(fit(_diff(), max_bytes)))
    assert size <= max_bytes
    # Bytes jump where one more entry changes a value's bits or a row's class.
    assert size >= max_bytes - 300 or max_bytes < EMPTY + 300


@given(st.integers(1, 5000), st.integers(0, 5000))
def test_the_largest_count_is_found_to_a_thousandth_and_all_if_all_fit(most, largest):
    found = largest_count(lambda count: count <= largest, most)
    assert found <= largest
    assert found == most if most <= largest else found >= largest - max(most // 1000, 1)


def test_a_diff_that_fits_stays_whole():
    assert dumps(fit(_diff(), WHOLE)) == dumps(quantise(_diff()))


def test_entries_of_busy_rows_stay_rather_than_scattered_ones_of_the_same_size():
    diff = _diff()
    kept = fit(diff, WHOLE * 2 // 3)
    length = {t.name: np.square(t.values, dtype=np.float64).sum() for t in diff.tensors}
    share = {t.name: np.square(t.values, dtype=np.float64).sum() / length[t.name] for t in kept.tensors}
    assert share["rows"] > share["even"] > 0.5  # positions in busy rows are cheap


def test_a_size_below_that_of_an_empty_diff_is_refused():
    with pytest.raises(SettingError, match=f"has {EMPTY} bytes without any entry, at most 100 are allowed"):
        fit(_diff(), 100)
