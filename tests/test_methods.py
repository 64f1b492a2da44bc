"""Every method from rows to a packed file on onnxruntime, and what its stages leave as it was."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import LEARNING, LEARNT, ONE_ROW, QUICK, quick, score_on_onnxruntime, train_on
from safetensors.numpy import load_file

from edgediff import Diff, read_dpf
from edgediff.encoder import load_encoder
from edgediff.errors import RunError
from edgediff.format import read_run
from edgediff.pack import pack, quantise
from edgediff.runtime import eval
from edgediff.score import load_task, read_rows
from edgediff.train import Component, Method, make_settings
from edgediff.train.batches import TokenRows
from edgediff.train.cut import Cut
from edgediff.train.dense_stage import CreditChooser
from edgediff.train.mask_stage import MaskStage
from edgediff.train.methods import make_chooser
from edgediff.train.model import make_model


def _parameters(model):
    return {name: array.size for name, array in load_encoder(model).arrays()}


@pytest.mark.parametrize("method", [method for method in Method if method.sparse and not method.low_rank])
def test_a_sparse_method_gives_a_file_that_scores_on_onnxruntime_as_in_training(
    method, tiny_model, tiny_base, tiny_task, tmp_path
):
    record = train_on(tiny_model("bert"), tmp_path / "run", tiny_task, quick(method, **LEARNING))
    diff, sizes = read_run(tmp_path / "run"), _parameters(tiny_model("bert"))
    if method is Method.BITFIT:
        biases = {name: size for name, size in sizes.items() if name.endswith(".bias")}
        assert {tensor.name: tensor.nnz for tensor in diff.tensors} == biases
    else:
        assert diff.nnz == round(0.05 * sum(sizes.values()))
    assert (record["method"], record["nnz"]) == (method, diff.nnz)
    in_training, dev = record["scores"]["dev"]["accuracy"], tiny_task / "dev.jsonl"
    assert score_on_onnxruntime(tiny_base, diff, dev) == in_training
    if method not in (Method.FISHER, Method.BITFIT):  # which random weights teach nothing
        assert in_training > LEARNT > score_on_onnxruntime(tiny_base, replace(diff, tensors=()), dev)
    packed = pack(tmp_path / "run", tmp_path / "x.dpf", bits=8)
    assert (
        read_dpf(tmp_path / "x.dpf").nnz
        == packed.nnz
        == sum(np.count_nonzero(t.values) for t in diff.tensors)
    )
    assert eval(tiny_base, tmp_path / "x.dpf", dev).score == pytest.approx(in_training, abs=ONE_ROW)


@pytest.mark.parametrize("method", ["full", "last-layer", "lora", "shira", "ia3"])
def test_a_dense_method_leaves_what_it_trained_and_no_diff(method, tiny_model, tiny_task, tmp_path):
    record = train_on(tiny_model("bert"), tmp_path / "run", tiny_task, quick(Method(method)))
    arrays = list(load_encoder(tiny_model("bert")).arrays())
    sizes = {name: array.size for name, array in arrays}
    last = sum(size for name, size in sizes.items() if name.startswith("encoder.layer.1."))
    shapes = [array.shape for name, array in arrays if array.ndim == 2 and "embeddings" not in name]
    adapters = sum(sum(shape) for shape in shapes)  # of rank 1, both sides
    exact = {"full": sum(sizes.values()), "last-layer": last, "lora": adapters, "shira": adapters}
    wide = sizes["encoder.layer.0.intermediate.dense.bias"]
    exact["ia3"] = 2 * (3 * 32 + wide)  # in each layer: keys, values, what its two output layers take
    assert record["trained_parameters"] == exact[method]
    assert record["nnz"] is None
    names = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert names == ["task.json", "train.json", "weights.safetensors"]
    weights = load_file(tmp_path / "run" / "weights.safetensors")
    heads = weights.pop("head.weight").size + weights.pop("head.bias").size
    assert heads == 2 * 32 + 2
    trained = {name: array for name, array in weights.items() if "indices" not in name}
    assert sum(array.size for array in trained.values()) == record["trained_parameters"]
    with pytest.raises(RunError, match=f"the method '{method}' gives no diff"):
        pack(tmp_path / "run", tmp_path / "x.dpf")


def test_lora_trains_two_matrices_of_its_rank_for_each_linear_layer(tiny_model, tiny_task, tmp_path):
    settings = quick(Method.LORA, adapter_rank=3, components=(Component.ATTENTION,))
    record = train_on(tiny_model("bert"), tmp_path / "run", tiny_task, settings, rows=32)
    assert record["trained_parameters"] == 2 * 4 * 3 * (32 + 32)  # layers, their matrices, rank, both sides


def _model_and_rows(tiny_model, tiny_task):
    encoder, task = load_encoder(tiny_model("bert")), load_task(tiny_task / "task.json")
    tokens = TokenRows(read_rows(tiny_task / "train.jsonl", task), encoder, task)
    return make_model(encoder, task, 0, tokens.rows), tokens


def _steps(model, tokens, stage):
    for step in range(stage.steps):
        stage.prepare(step)
        model.zero_grad(set_to_none=True)
        batch = tokens.batch(torch.arange(16 * step, 16 * step + 16), torch.device("cpu"))
        model.loss(batch.inputs, batch.targets).backward()
        stage.update(step)


def _bits(array):
    return np.array(array).view(np.uint32)


@pytest.mark.parametrize("method", [Method.EARLY, Method.MAGNITUDE, Method.FISHER])
def test_choosing_leaves_the_base_as_it_was_bit_for_bit(method, tiny_model, tiny_task):
    model, tokens = _model_and_rows(tiny_model, tiny_task)
    before = {name: array.copy() for name, array in model.encoder.arrays()}
    parameters = model.parameters_by_name()
    stage = make_chooser(model, parameters, tokens, replace(QUICK, method=method), 3, 0.1)
    _steps(model, tokens, stage)
    found = stage.found()
    assert all(np.abs(values).max() > 0 for name, values in found.items() if name.endswith("dense.weight"))
    stage.detach()
    for name, array in model.encoder.arrays():
        assert np.array_equal(_bits(array), _bits(before[name])), name


def test_the_credits_add_up_to_what_the_loss_fell_by(tiny_model, tiny_task):
    """To first order, in steps so small that it is nearly all there is; a few entries moved against it."""
    model, tokens = _model_and_rows(tiny_model, tiny_task)
    model.eval()  # no dropout: the same rows have the same loss
    parameters = model.parameters_by_name()
    settings = replace(QUICK, dense_rate=1e-6, head_rate=1e-12, warmup=0)
    stage = CreditChooser(model, parameters, settings, 4)
    batch = tokens.batch(torch.arange(64), torch.device("cpu"))
    losses = []
    for step in range(stage.steps + 1):
        model.zero_grad(set_to_none=True)
        loss = model.loss(batch.inputs, batch.targets)
        losses.append(loss.item())
        loss.backward()
        if step < stage.steps:
            stage.update(step)
    credit = sum(float(np.square(roots, dtype=np.float64).sum()) for roots in stage.found().values())
    assert credit == pytest.approx(losses[0] - losses[-1], rel=0.05)


@pytest.mark.parametrize("bits", [None, 2])
def test_tuning_changes_the_kept_entries_alone_and_scores_with_the_values_that_pack_writes(
    bits, tiny_model, tiny_task
):
    """Some kept entries are of words that no row holds: they stay 0, and `pack` drops them."""
    model, tokens = _model_and_rows(tiny_model, tiny_task)
    before = {name: array.copy() for name, array in model.encoder.arrays()}
    choose = np.random.default_rng(0)
    mask = {name: np.flatnonzero(choose.random(array.size) < 0.2) for name, array in before.items()}
    stage = MaskStage(model, mask, None, replace(QUICK, bits=bits), 4)
    _steps(model, tokens, stage)
    stage.settle()
    cut = Cut.of(model.encoder.base(), model.task, QUICK, {})
    tensors = {tensor.name: tensor for tensor in stage.tensors()}
    assert any((tensor.values == 0).any() for tensor in tensors.values())
    if bits is not None:
        packed = quantise(Diff(cut.base, model.task, tuple(tensors.values()), model.head_arrays()), bits)
        tensors = {tensor.name: tensor for tensor in packed.tensors}
        assert len(packed.levels) == 2
    for name, array in model.encoder.arrays():
        wanted = tensors[name].patch(before[name]) if name in tensors else before[name]
        assert np.array_equal(_bits(array), _bits(wanted)), name


def test_the_form_of_the_penalty_changes_what_is_learnt(tiny_model, tiny_task, tmp_path):
    for form in ("product", "sum"):
        plain = {"method": "structured", "l0_form": form, "epochs": 1, "density": 0.05, "batch_size": 16}
        settings = make_settings(plain, "test")
        train_on(tiny_model("bert"), tmp_path / form, tiny_task, settings)
    one, two = (read_run(tmp_path / form) for form in ("product", "sum"))
    assert one.nnz == two.nnz
    assert not np.array_equal(one.head.weight, two.head.weight)
