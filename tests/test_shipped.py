"""Adapters in fewer bits: what rounding may change, and what is counted."""

import numpy as np
import pytest
from conftest import ONE_ROW, quick, train_on
from safetensors.numpy import load_file

from benchmarks.peers.whole import merged_weights
from benchmarks.shipped import GROUP, as_diff, packed, rounded, shipped, shipped_bytes
from edgediff.encoder import load_encoder
from edgediff.format.bundle import read_manifest
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


@pytest.fixture(scope="module")
def trained(tiny_model, tiny_task, tmp_path_factory):
    """By method: the RUN folder, and the record."""
    found = {}
    for method in (Method.LORA, Method.IA3):
        run = tmp_path_factory.mktemp("shipped") / method
        settings = quick(method, adapter_rate=2e-2)
        found[method] = run, train_on(tiny_model("bert"), run, tiny_task, settings)
    return found


@pytest.mark.parametrize("method", [Method.LORA, Method.IA3])
def test_adapters_in_half_precision_score_as_in_training(method, trained, tiny_base, tiny_task):
    run, record = trained[method]
    task, dev = load_task(tiny_task / "task.json"), tiny_task / "dev.jsonl"
    forms = {form["bits"]: form for form in shipped(run, tiny_base, task, dev)}
    assert forms[16]["score"] == pytest.approx(record["scores"]["dev"]["accuracy"], abs=ONE_ROW)
    assert forms[16]["bytes"] == 2 * (record["trained_parameters"] + 2 * 32 + 2)
    assert forms[16]["bytes"] > forms[8]["bytes"] > forms[4]["bytes"]


def test_an_adapter_packed_as_a_diff_scores_as_in_training(trained, tiny_model, tiny_base, tiny_task):
    run, record = trained[Method.LORA]
    task, dev = load_task(tiny_task / "task.json"), tiny_task / "dev.jsonl"
    weights = load_file(run / "weights.safetensors")
    diff, base = as_diff(weights, read_manifest(tiny_base).base, task), load_encoder(tiny_model("bert"))
    merged = merged_weights(tiny_base, weights)
    assert sorted(product.name for product in diff.products) == sorted(set(merged))
    for name, array in base.arrays():
        for product in diff.products:
            if product.name == name:
                np.testing.assert_allclose(array + product.dense(), merged[name], atol=1e-6)
    forms = {form["bits"]: form for form in packed(run, tiny_base, task, dev)}
    assert forms[6]["score"] == pytest.approx(record["scores"]["dev"]["accuracy"], abs=ONE_ROW)
    assert forms[6]["bytes"] > forms[5]["bytes"] > forms[4]["bytes"]
