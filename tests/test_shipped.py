"""Adapters in fewer bits: what rounding may change, and what is counted."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import ONE_ROW, QUICK, train_on

from benchmarks.shipped import GROUP, rounded, shipped, shipped_bytes
from edgediff.score import load_task
from edgediff.train import Method


@pytest.mark.parametrize(("bits", "levels"), [(8, 127), (4, 7)])
def test_values_move_by_half_a_level_of_their_group_at_most(bits, levels):
    values = np.random.default_rng(0).normal(size=(3, 70)).astype(np.float32)
    values[2, 60:] *= 100  # in the last group; the others keep their fine levels
    moved = np.abs(rounded(values, bits) - values).reshape(-1)
    for start in range(0, values.size, GROUP):
        largest = np.abs(values.reshape(-1)[start : start + GROUP]).max()
        assert moved[start : start + GROUP].max() <= 0.505 * largest / levels  # the scale is rounded too
    assert len(np.unique(rounded(values[:1, :GROUP], bits))) <= 2 * levels + 1


def test_zeros_stay_and_half_precision_is_half_precision():
    assert not rounded(np.zeros((2, 100), np.float32), 4).any()
    values = np.random.default_rng(1).normal(size=(5, 9)).astype(np.float32)
    assert np.array_equal(rounded(values, 16), values.astype(np.float16))


@pytest.mark.parametrize(("bits", "wanted"), [(16, 400), (8, 200 + 8), (4, 100 + 8)])
def test_bytes_are_those_of_the_codes_and_of_a_scale_for_each_group(bits, wanted):
    assert shipped_bytes(np.zeros((2, 100), np.float32), bits) == wanted


@pytest.mark.parametrize("method", [Method.LORA, Method.IA3])
def test_adapters_in_half_precision_score_as_in_training(method, tiny_model, tiny_base, tiny_task, tmp_path):
    settings = replace(QUICK, method=method, adapter_rate=2e-2)
    record = train_on(tiny_model("bert"), tmp_path / "run", tiny_task, settings)
    task, dev = load_task(tiny_task / "task.json"), tiny_task / "dev.jsonl"
    forms = {form["bits"]: form for form in shipped(tmp_path / "run", tiny_base, task, dev)}
    assert forms[16]["score"] == pytest.approx(record["scores"]["dev"]["accuracy"], abs=ONE_ROW)
    assert forms[16]["bytes"] == 2 * (record["trained_parameters"] + 2 * 32 + 2)
    assert forms[16]["bytes"] > forms[8]["bytes"] > forms[4]["bytes"]
