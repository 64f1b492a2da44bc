"""What the tables of results show of runs: which are compared, and as what."""

import pandas as pd
import pytest

from benchmarks import tables
from edgediff.train import Criterion, Method, Settings, Shape

DEFAULT = Settings()


def runs_of(method, scores, kilobytes, **variant):
    """A row a task, as `best_rates` gives them."""
    plain = {
        "method": method, "rank": 0, "shape": Shape.ENTRY, "criterion": Criterion.MOVEMENT, "size": 0,
        "bits": 0, "density": 1.0, "packed": False, "bytes": 1000 * kilobytes, "spread": 0.0, "seeds": 1,
    }  # fmt: skip
    return [
        plain | variant | {"task": task, "score": score}
        for task, score in zip(tables.TASKS, scores, strict=False)
    ]


@pytest.fixture
def runs():
    own = {"rank": 1, "bits": DEFAULT.value_bits, "density": DEFAULT.kept_share}
    return pd.DataFrame(
        [
            *runs_of(Method.FULL, [90, 90, 90, 90], 90_000),
            *runs_of(Method.EARLY_LOW_RANK, [88, 88, 88, 88], 36, **own),
            *runs_of(Method.EARLY, [91, 91, 91], 20, density=0.001),
            *runs_of(Method.EARLY, [89, 89, 89, 87], 150, density=0.005),
            *runs_of(Method.LORA, [87, 87, 87, 87], 86, rank=1, bits=16),
            *runs_of(Method.LORA, [86, 86, 86, 86], 23, rank=1, bits=4, packed=True),
            *runs_of(Method.BITFIT, [80, 80, 80, 80], 12),
        ]
    )


def test_a_mean_is_of_all_tasks_or_none(runs):
    means = tables.by_bytes(runs).set_index("bytes a task")["mean"]
    assert list(means.index) == ["12,000", "20,000", "23,000", "36,000", "86,000", "150,000"]
    assert list(means) == ["80.00", "", "86.00", "88.00", "87.00", "88.50"]


def test_the_best_that_fits_is_of_its_kind_and_of_all_tasks(runs):
    best = tables.sizes(runs).set_index("size")
    assert list(best.loc["10 KB"]) == ["", "", ""]
    assert list(best.loc["24 KB"]) == ["86.00: lora, rank 1, packed as a diff, 4 bits", "80.00: bitfit", ""]
    assert best.loc["40 KB", "diffs"] == "88.00: early-low-rank, rank 1, 3 bits, 0.05%"
    assert best.loc["128 KB", "adapters"] == "87.00: lora, rank 1, 16 bits"
    assert best.loc["256 KB", "diffs"] == "88.50: early, 0.50%"


def test_the_headline_has_what_was_run_on_all_tasks_as_it_is_trained(runs):
    shown = tables.headline(runs)
    assert list(shown["bytes a task"]) == ["90,000,000", "12,000", "150,000", "36,000"]
    assert list(shown["mean"]) == ["90.00", "80.00", "88.50", "88.00"]


def test_the_table_of_densities_is_of_single_entries(runs):
    assert list(tables.densities(runs)["changed"]) == ["0.10%", "0.50%"]
    assert list(tables.densities(runs)["paper, structured, BERT-large"]) == [82.5, 84.8]
