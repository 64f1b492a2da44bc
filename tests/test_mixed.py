"""Rows, columns and entries mixed: the choice is the cheapest for what it is worth."""

import numpy as np
import pytest

from edgediff.pack import top_k, top_mixed, top_rows

ROWS, COLUMNS = 60, 80


def _at_most(count):
    return lambda masks: sum(map(len, masks.values())) <= count


@pytest.fixture
def noise():
    return np.random.default_rng(1).normal(size=(ROWS, COLUMNS)).astype(np.float32) * 1e-3


def _lines(indices):
    changed = np.zeros((ROWS, COLUMNS), np.bool_)
    changed.reshape(-1)[indices] = True
    return changed


def test_a_strong_row_a_strong_column_and_strong_entries_are_each_kept_as_what_they_are(noise):
    noise[7] += 1
    noise[:, 11] += 1
    noise[40, 50] = noise[20, 30] = 30
    kept = top_mixed({"w": noise}, 1000, _at_most(ROWS + COLUMNS + 1))
    expected = np.zeros((ROWS, COLUMNS), np.bool_)
    expected[7] = expected[:, 11] = expected[40, 50] = expected[20, 30] = True
    assert np.array_equal(_lines(kept["w"]), expected)


def test_scattered_entries_are_kept_one_by_one_as_by_magnitude(noise):
    places = np.random.default_rng(2).choice(noise.size, 40, replace=False)
    noise.reshape(-1)[places] = np.random.default_rng(3).uniform(5, 9, 40)
    kept = top_mixed({"w": noise}, 40, _at_most(40))
    assert np.array_equal(kept["w"], np.sort(places))
    assert np.array_equal(kept["w"], top_k({"w": noise}, 40)["w"])


def test_a_vector_is_one_line_zeros_included(noise):
    vector = np.full(50, 3.0, np.float32)
    vector[::5] = 0
    assert np.array_equal(top_mixed({"b": vector, "w": noise}, 60, _at_most(60))["b"], np.arange(50))


@pytest.mark.parametrize("count", [1, 37, 400, 3000])
def test_the_count_is_kept_to_and_more_is_worth_more(noise, count):
    values = {"w": np.exp(8e2 * noise), "v": noise.reshape(-1)[:70]}
    worth = [
        sum(np.square(values[name].reshape(-1)[where]).sum() for name, where in kept.items())
        for kept in (top_mixed(values, most, _at_most(most)) for most in (count, 2 * count))
    ]
    kept = top_mixed(values, count, _at_most(count))
    assert sum(map(len, kept.values())) <= count
    assert worth[0] <= worth[1]
    for where in kept.values():
        assert (np.diff(where) > 0).all()


def test_nothing_is_kept_where_nothing_fits_or_nothing_is_worth_anything(noise):
    assert top_mixed({"w": noise}, 10, lambda masks: not masks) == {}
    assert top_mixed({"w": np.zeros((4, 5), np.float32)}, 10, _at_most(10)) == {}


def test_for_equal_bytes_a_mixture_is_worth_more_than_rows_or_entries_alone(noise):
    """Bytes as a file takes them, about: 3 bits a value, 12 a position, 7 a line."""
    generator = np.random.default_rng(4)
    values = (generator.normal(size=(ROWS, COLUMNS)) * np.exp(generator.normal(size=(ROWS, 1)))).astype("f4")
    values.reshape(-1)[generator.choice(values.size, 60, replace=False)] *= 6

    def bits(kept):
        changed = _lines(kept.get("w", np.empty(0, np.int64)))
        rows, columns = changed.all(1), changed.all(0)
        alone = int((changed & ~rows[:, None] & ~columns[None]).sum())
        return 3 * int(changed.sum()) + 12 * alone + 7 * int(rows.sum() + columns.sum())

    def worth(kept):
        return float(np.square(values.reshape(-1)[kept["w"]]).sum())

    budget = 3000
    mixed = top_mixed({"w": values}, 1000, lambda kept: bits(kept) <= budget)
    rows = max(
        (top_rows({"w": values}, n) for n in range(100, 1000, 20)),
        key=lambda k: bits(k) <= budget and worth(k),
    )
    entries = top_k({"w": values}, budget // 15)
    assert bits(mixed) <= budget
    assert worth(mixed) > 1.05 * worth(rows)
    assert worth(mixed) > 1.05 * worth(entries)
