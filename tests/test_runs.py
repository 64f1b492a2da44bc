"""The files of runs are named after what they say, so that no run is made twice or taken for another."""

import json
from dataclasses import fields, replace

import pytest

from benchmarks.runs import RESULTS, Run
from edgediff.train import Criterion, Method, Shape

STORED = sorted(RESULTS.glob("*.json"))
KINDS = {"method": Method, "shape": Shape, "criterion": Criterion}


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_a_file_is_named_after_its_run(path):
    stored = json.loads(path.read_text())
    given = {field.name: stored[field.name] for field in fields(Run) if field.name in stored}
    run = Run(**{name: KINDS.get(name, lambda value: value)(value) for name, value in given.items()})
    assert run.key == path.stem


def test_runs_that_differ_have_other_names_and_settings():
    run = Run("sst2", Method.EARLY, rate=1e-3)
    others = [
        replace(run, task="mrpc"),
        replace(run, density=0.001),
        replace(run, rate=2e-3),
        replace(run, seed=1),
        replace(run, shape=Shape.ROW),
        replace(run, shape=Shape.AUTO),
        replace(run, size=38_000),
        replace(run, bits=2),
        replace(run, criterion=Criterion.CREDIT),
    ]
    assert len({each.key for each in (run, *others)}) == 1 + len(others)
    assert len({each.settings() for each in (run, *others)}) == 1 + len(others)
    assert Run("sst2", Method.LORA, rate=2e-3, rank=1).settings().adapter_rank == 1
    low = Run("sst2", Method.LOW_RANK, rate=2e-3, rank=2, bits=3)
    assert (low.settings().adapter_rank, low.settings().bits, low.settings().adapter_rate) == (2, 3, 2e-3)
    assert low.key == "sst2-low-rank2-3bits-0.002-s0"
    both = Run("sst2", Method.EARLY_LOW_RANK, 0.001, rate=4e-3, rank=1, bits=3)
    assert (both.settings().density, both.settings().mask_rate) == (0.001, 4e-3)
    assert both.key == "sst2-early-low-rank1-0.001-3bits-0.004-s0"
