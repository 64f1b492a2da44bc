import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgediff.pack import top_k, top_rows

FEW_LEVELS = st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1e-40])


def _ranked(values, count):
    """The same choice by a stable sort of everything: (name, index) pairs in order of name and index."""
    entries = [
        (-abs(float(value)), number, index, name)
        for number, (name, array) in enumerate(values.items())
        for index, value in enumerate(array.reshape(-1))
        if value != 0
    ]
    chosen = sorted(sorted(entries)[:count], key=lambda entry: entry[1:3])
    return [(name, index) for _, _, index, name in chosen]


def _pairs(kept):
    return [(name, int(index)) for name, indices in kept.items() for index in indices]


def _assert_well_formed(kept):
    for indices in kept.values():
        assert indices.dtype == np.int64
        assert len(indices) > 0
        assert (np.diff(indices) > 0).all()


@given(
    st.dictionaries(
        st.text(max_size=3),
        arrays.arrays(
            np.float32, arrays.array_shapes(max_dims=2, min_side=0, max_side=8), elements=FEW_LEVELS
        ),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, 150),
)
def test_the_choice_is_that_of_a_stable_sort_of_everything(values, count):
    kept = top_k(values, count)
    _assert_well_formed(kept)
    assert _pairs(kept) == _ranked(values, count)


@given(st.integers(0, 2**32 - 1), st.integers(0, 1500))
def test_without_ties_exactly_the_count_is_kept(seed, count):
    generator = np.random.default_rng(seed)
    values = {name: generator.normal(size=(20, 25)).astype(np.float32) for name in "abc"}
    kept = top_k(values, count)
    _assert_well_formed(kept)
    assert sum(map(len, kept.values())) == count
    assert _pairs(kept) == _ranked(values, count)


def test_ties_go_to_the_earlier_name_in_the_mapping_and_to_the_lower_index():
    values = {"z": np.array([1.0, -2.0, 2.0]), "a": np.array([3.0, 2.0, -2.0])}
    assert _pairs(top_k(values, 2)) == [("z", 1), ("a", 0)]
    assert _pairs(top_k(values, 3)) == [("z", 1), ("z", 2), ("a", 0)]
    assert _pairs(top_k(values, 4)) == [("z", 1), ("z", 2), ("a", 0), ("a", 1)]


def test_zeros_are_never_kept_though_fewer_come_back_than_were_asked_for():
    values = {"a": np.array([0.0, 1.0, -0.0]), "b": np.zeros(3), "c": np.array([1e-40])}
    assert _pairs(top_k(values, 7)) == [("a", 1), ("c", 0)]
    assert top_k({"b": np.zeros(3)}, 7) == {}


def test_names_without_a_kept_entry_are_absent():
    values = {"low": np.ones(3), "empty": np.empty(0), "high": np.full((2, 2), -9.0)}
    assert top_k(values, 4).keys() == {"high"}
    assert top_k(values, 0) == {}


def test_indices_are_row_major_whatever_the_layout():
    rows = np.array([[0, 7, 0], [0, 0, 8]], np.float32)
    for array in (rows, np.asfortranarray(rows), np.repeat(rows, 2, axis=0)[::2]):
        assert _pairs(top_k({"w": array}, 2)) == [("w", 1), ("w", 5)]


@given(
    st.dictionaries(
        st.text(max_size=3),
        arrays.arrays(
            np.float32,
            arrays.array_shapes(max_dims=3, max_side=6),
            elements=st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0]),
        ),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, 150),
)
def test_rows_and_columns_are_taken_in_the_order_of_their_mean_squares(values, count):
    matrices = {
        name: array.reshape((1, -1) if array.ndim == 1 else (len(array), -1))
        for name, array in values.items()
    }
    lines = []
    for name, matrix in matrices.items():
        places = np.arange(matrix.size).reshape(matrix.shape)
        across = [*places, *(places.T if len(matrix) > 1 else [])]
        lines += [
            (float(np.square(matrix.reshape(-1)[line]).mean()), name, set(line.tolist())) for line in across
        ]
    wanted = {name: set() for name in values}
    for merit, name, line in sorted(lines, key=lambda line: -line[0]):
        if merit and sum(map(len, wanted.values())) + len(line - wanted[name]) <= count:
            wanted[name] |= line
    kept = top_rows(values, count)
    _assert_well_formed(kept)
    assert {name: set(indices.tolist()) for name, indices in kept.items()} == {
        k: v for k, v in wanted.items() if v
    }
