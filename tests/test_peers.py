"""What people use instead is measured as it would ship, so each must say what its trained model says."""

from dataclasses import replace

import numpy as np
import peft
import pytest
import torch
from conftest import QUICK, train_on
from safetensors.numpy import load_file

from benchmarks.peers.adapter_session import (
    active_adapter,
    ia3_values,
    lora_values,
    write_adapter,
    write_ia3_graph,
    write_lora_graph,
)
from benchmarks.peers.sessions import head_inputs, session_of
from benchmarks.peers.whole import (
    apply_fp16_difference,
    apply_zstd_patch,
    ia3_factors,
    lora_matrices,
    merged_weights,
    tuned_weights,
    write_fp16_difference,
    write_whole,
    write_zstd_patch,
)
from edgediff.bench.in_process import feeds as feeds_of
from edgediff.encoder import load_encoder
from edgediff.format.bundle import MODEL_FILE, WEIGHTS_FILE, read_manifest
from edgediff.train import Method
from edgediff.train.adapters import attach
from edgediff.train.methods import parameters_of

SETTINGS = replace(QUICK, epochs=1, adapter_rate=2e-2, density=None)
ADAPTED = [method for method in Method if method.adapts]


@pytest.fixture(scope="module")
def trained(tiny_model, tiny_base, tiny_task, tmp_path_factory):
    """By method: the RUN folder, and the merged model's folder."""
    folders = {}
    for method in (Method.FULL, *ADAPTED):
        run = tmp_path_factory.mktemp("peers") / method
        train_on(tiny_model("bert"), run, tiny_task, replace(SETTINGS, method=method))
        whole = run.with_name(f"{method}-whole")
        write_whole(tiny_base, tuned_weights(tiny_base, run), whole)
        folders[method] = run, whole
    return folders


def weights_of(folder):
    return np.fromfile(folder / WEIGHTS_FILE, "<f4")


def test_a_fine_tuned_model_is_another_than_the_base(trained, tiny_base):
    assert (weights_of(trained[Method.FULL][1]) != weights_of(tiny_base)).any()


@pytest.mark.parametrize("method", ADAPTED)
def test_a_merged_model_says_what_the_adapted_one_says(trained, tiny_model, tiny_base, method):
    run, whole = trained[method]
    weights = load_file(run / "weights.safetensors")
    feeds = feeds_of(read_manifest(tiny_base), 12) | head_inputs(tiny_base, weights)
    inputs = {name: torch.from_numpy(array) for name, array in feeds.items() if "head" not in name}
    head = weights.pop("head.weight"), weights.pop("head.bias")
    encoder, settings = load_encoder(tiny_model("bert")), replace(SETTINGS, method=method)
    plain, _ = encoder(**inputs)
    attach(encoder.model, parameters_of(encoder, settings), settings)
    peft.set_peft_model_state_dict(encoder.model, {name: torch.from_numpy(w) for name, w in weights.items()})
    adapted, _ = encoder(**inputs)
    (merged,) = session_of(whole / MODEL_FILE).run(["logits"], feeds)
    np.testing.assert_allclose(merged, adapted.detach().numpy() @ head[0].T + head[1], atol=1e-5)
    assert (adapted - plain).abs().max() > 3e-4  # 30 times the tolerance


def test_factors_of_what_a_layer_gives_rescale_its_bias_too(minilm_base, tmp_path):
    """Merged and in one session; the tiny model's biases are 0."""
    layers = ("encoder.layer.0.attention.self.value", "encoder.layer.0.output.dense")
    outputs, inputs = np.full((384, 1), 2, np.float32), np.full((1, 1536), 3, np.float32)
    factors = {f"{layers[0]}.ia3_l": outputs, f"{layers[1]}.ia3_l": inputs}
    merged = merged_weights(minilm_base, factors)
    base = dict(load_encoder("minilm").arrays())
    assert sorted(merged) == [f"{layers[0]}.bias", f"{layers[0]}.weight", f"{layers[1]}.weight"]
    for name, array in merged.items():
        assert np.array_equal(array, base[name] * (2 if "value" in name else 3))
        assert base[name].any()
    write_whole(minilm_base, merged, tmp_path / "whole")
    write_ia3_graph(minilm_base, ia3_factors(factors), tmp_path / "graph")
    write_adapter(ia3_values(ia3_factors(factors)), tmp_path / "task.onnx_adapter")
    head = {"head.weight": np.eye(384, dtype=np.float32)[:2], "head.bias": np.zeros(2, np.float32)}
    feeds = feeds_of(read_manifest(minilm_base), 12) | head_inputs(minilm_base, head)
    options, _adapter = active_adapter(tmp_path / "task.onnx_adapter")
    (one,) = session_of(tmp_path / "whole" / MODEL_FILE).run(["logits"], feeds)
    (other,) = session_of(tmp_path / "graph" / MODEL_FILE).run(["logits"], feeds, options)
    np.testing.assert_allclose(other, one, atol=1e-5)


def test_a_zstd_patch_gives_the_weights_back_bit_for_bit(trained, tiny_base, tmp_path):
    base, tuned = tiny_base / WEIGHTS_FILE, trained[Method.FULL][1] / WEIGHTS_FILE
    write_zstd_patch(base, tuned, tmp_path / "patch")
    apply_zstd_patch(base, tmp_path / "patch", tmp_path / "tuned")
    assert (tmp_path / "tuned").read_bytes() == tuned.read_bytes()


def test_a_float16_difference_gives_the_weights_back_as_closely_as_it_holds_them(
    trained, tiny_base, tmp_path
):
    base, whole = tiny_base / WEIGHTS_FILE, trained[Method.FULL][1]
    write_fp16_difference(base, whole / WEIGHTS_FILE, tmp_path / "patch")
    apply_fp16_difference(base, tmp_path / "patch", tmp_path / "tuned")
    moved = np.abs(weights_of(whole) - weights_of(tiny_base))
    off = np.abs(np.fromfile(tmp_path / "tuned", "<f4") - weights_of(whole))
    assert (off <= moved * 2**-11 + 1e-7).all()


@pytest.mark.parametrize("method", [Method.LORA, Method.IA3])
def test_an_adapter_in_one_session_says_what_the_merged_model_says(trained, tiny_base, tmp_path, method):
    run, whole = trained[method]
    weights = load_file(run / "weights.safetensors")
    if method is Method.LORA:
        write_lora_graph(tiny_base, lora_matrices(weights), tmp_path / "graph")
        values = lora_values(lora_matrices(weights))
    else:
        write_ia3_graph(tiny_base, ia3_factors(weights), tmp_path / "graph")
        values = ia3_values(ia3_factors(weights))
    write_adapter(values, tmp_path / "task.onnx_adapter")
    feeds = feeds_of(read_manifest(tiny_base), 12) | head_inputs(tiny_base, weights)
    options, _adapter = active_adapter(tmp_path / "task.onnx_adapter")
    session = session_of(tmp_path / "graph" / MODEL_FILE)
    (merged,) = session_of(whole / MODEL_FILE).run(["logits"], feeds)
    (adapted,) = session.run(["logits"], feeds, options)
    (plain,) = session.run(["logits"], feeds)
    (base,) = session_of(tiny_base / MODEL_FILE).run(["logits"], feeds)
    np.testing.assert_allclose(adapted, merged, atol=1e-5)
    np.testing.assert_allclose(plain, base, atol=1e-6)
    assert np.abs(adapted - plain).max() > 1e-4
