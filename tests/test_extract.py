"""A diff from a checkpoint that transformers' own classes fine-tuned and wrote."""

import json
import logging
import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers
from conftest import LEARNING, LEARNT, QUICK, train_on
from safetensors.torch import load_file, save_file
from torch.nn.utils import prune

from edgediff.encoder import load_encoder, load_tuned
from edgediff.errors import ModelError, RunError, SettingError
from edgediff.format import read_run
from edgediff.pack import pack, top_rows
from edgediff.runtime import Tokens, eval, load_session
from edgediff.score import load_task, read_rows
from edgediff.train import Component, Method, Precision, Settings, Shape, extract
from edgediff.train.components import component_of

ALL = Settings(density=1.0)


def _fine_tune(model_class, base, folder, files, **saving):
    """A classifier of transformers' own, some AdamW steps from the base, saved with its tokenizer."""
    task = load_task(files / "task.json")
    rows = read_rows(files / "train.jsonl", task)
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    torch.manual_seed(1)
    model = model_class.from_pretrained(base, num_labels=2).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for first in 5 * list(range(0, 160, 16)):
        inputs = tokenizer(rows.texts[first : first + 16], padding=True, return_tensors="pt")
        labels = torch.from_numpy(rows.targets[first : first + 16])
        optimizer.zero_grad()
        model(**inputs, labels=labels).loss.backward()
        optimizer.step()
    model.eval().save_pretrained(folder, **saving)
    return model


@pytest.fixture(scope="module")
def tuned(tiny_model, tiny_task, tmp_path_factory):
    """The tiny BERT fine-tuned: its folder, and the model."""
    folder = tmp_path_factory.mktemp("tuned") / "bert"
    model = _fine_tune(transformers.BertForSequenceClassification, tiny_model("bert"), folder, tiny_task)
    return folder, model


def _extract(model, folder, run, files, settings=ALL, rows=False, **options):
    named = {"train": files / "train.jsonl", "dev": files / "dev.jsonl"} if rows else {}
    return extract(model, folder, run, task=files / "task.json", settings=settings, **named, **options)


def _changed(folder, copy, change):
    """A copy of a checkpoint whose tensors went through `change`, in its place or with a new mapping."""
    shutil.copytree(folder, copy)
    state = load_file(folder / "model.safetensors")
    save_file(change(state), copy / "model.safetensors", metadata={"format": "pt"})
    return copy


def _logits_on_onnxruntime(base, diff, texts):
    session, task = load_session(base, diff)
    (logits,) = session.run(["logits"], {**Tokens(base, diff.task)(texts), **task.feeds})
    return logits


def test_a_diff_of_all_that_changed_answers_as_the_tuned_model(
    tuned, tiny_model, tiny_base, tiny_task, tmp_path
):
    folder, model = tuned
    record = _extract(tiny_model("bert"), folder, tmp_path / "run", tiny_task)
    diff = read_run(tmp_path / "run")
    texts = read_rows(tiny_task / "dev.jsonl", diff.task).texts
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_model("bert"))
    with torch.inference_mode():
        wanted = model(**tokenizer(texts, padding=True, return_tensors="pt")).logits.numpy()
    found = _logits_on_onnxruntime(tiny_base, diff, texts)
    assert np.abs(found - wanted).max() < 1e-4
    assert np.ptp(wanted[:, 1] - wanted[:, 0]) > 1  # the model says something
    assert (record["method"], record["scores"], record["nnz"]) == ("extract", {}, diff.nnz)
    assert diff.provenance["method"] == "extract"


@pytest.mark.parametrize(
    "saving", ["pytorch_model.bin", "parameters", "half precision", "several safetensors", "several pickles"]
)
def test_a_checkpoint_is_read_however_it_was_saved(saving, tuned, tiny_model, tiny_task, tmp_path):
    folder, model = tuned
    encoder, task = load_encoder(tiny_model("bert")), load_task(tiny_task / "task.json")
    wanted = load_tuned(folder, encoder, task)
    copy = tmp_path / "copy"
    if saving == "several safetensors":
        model.save_pretrained(copy, max_shard_size="20KB")
        assert len(list(copy.glob("*.safetensors"))) > 1
    elif saving == "several pickles":
        copy.mkdir()
        shutil.copy(folder / "config.json", copy)
        state, weight_map = model.state_dict(), {}
        for number, name in enumerate(state):
            weight_map[name] = f"part{number % 3}.bin"
        for part in set(weight_map.values()):
            torch.save({name: t for name, t in state.items() if weight_map[name] == part}, copy / part)
        (copy / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))
    elif saving in ("pytorch_model.bin", "parameters"):
        copy.mkdir()
        shutil.copy(folder / "config.json", copy)
        state = model.state_dict() if saving == "pytorch_model.bin" else dict(model.named_parameters())
        torch.save(state, copy / "pytorch_model.bin")
    else:
        _changed(folder, copy, lambda state: {name: t.bfloat16() for name, t in state.items()})
    found = load_tuned(copy, encoder, task)
    tolerance = 0.01 if saving == "half precision" else 0
    assert found.difference.keys() == wanted.difference.keys()
    for name, values in wanted.difference.items():
        np.testing.assert_allclose(found.difference[name], values, rtol=0, atol=tolerance, err_msg=name)
    np.testing.assert_allclose(found.head.weight, wanted.head.weight, rtol=0, atol=tolerance)
    assert (found.missing, found.extra) == ((), ())
    assert max(np.abs(values).max() for values in wanted.difference.values()) > 0.005


def test_what_is_cut_without_rows_is_the_largest_of_the_difference(tuned, tiny_model, tiny_task, tmp_path):
    _extract(tiny_model("bert"), tuned[0], tmp_path / "run", tiny_task, Settings(density=0.02))
    diff = read_run(tmp_path / "run")
    encoder = load_encoder(tiny_model("bert"))
    difference = load_tuned(tuned[0], encoder, diff.task).difference
    assert diff.nnz == round(0.02 * diff.base.parameters)
    kept = np.concatenate([np.abs(tensor.values) for tensor in diff.tensors])
    every = np.sort(np.concatenate([np.abs(values).reshape(-1) for values in difference.values()]))
    assert np.array_equal(np.sort(kept), every[-diff.nnz :])
    for tensor in diff.tensors:
        assert np.array_equal(difference[tensor.name].reshape(-1)[tensor.indices], tensor.values)


def test_with_rows_what_is_kept_is_tuned_on(tuned, tiny_model, tiny_base, tiny_task, tmp_path):
    settings = Settings(density=0.05, epochs=4, batch_size=16, precision=Precision.FP32)
    _extract(tiny_model("bert"), tuned[0], tmp_path / "cut", tiny_task, settings)
    record = _extract(tiny_model("bert"), tuned[0], tmp_path / "run", tiny_task, settings, rows=True)
    cut, run = read_run(tmp_path / "cut"), read_run(tmp_path / "run")
    assert record["method"] == run.provenance["method"] == "extract"
    assert [(stage["name"], stage["steps"]) for stage in record["stages"]] == [("given", 0), ("mask", 40)]
    for one, two in zip(cut.tensors, run.tensors, strict=True):  # the same places, values moved a little
        assert np.array_equal(one.indices, two.indices)
    moved = np.concatenate([a.values - b.values for a, b in zip(cut.tensors, run.tensors, strict=True)])
    assert 0 < np.abs(moved).mean() < 0.05
    pack(tmp_path / "cut", tmp_path / "cut.dpf", bits=8)
    pack(tmp_path / "run", tmp_path / "run.dpf", bits=8)
    dev = tiny_task / "dev.jsonl"
    tuned_on = eval(tiny_base, tmp_path / "run.dpf", dev).score
    assert tuned_on == pytest.approx(record["scores"]["dev"]["accuracy"], abs=1.01 / 60)
    assert tuned_on >= eval(tiny_base, tmp_path / "cut.dpf", dev).score
    again = _extract(
        tiny_model("bert"), tuned[0], tmp_path / "run", tiny_task, settings, rows=True, resume=True
    )
    assert again == json.loads((tmp_path / "run" / "train.json").read_text())


def test_a_dense_method_does_not_keep_an_extraction_from_giving_a_diff(
    tuned, tiny_model, tiny_task, tmp_path
):
    settings = Settings(method=Method.FULL, epochs=1, batch_size=16)
    _extract(tiny_model("bert"), tuned[0], tmp_path / "run", tiny_task, settings, rows=True)
    assert read_run(tmp_path / "run").nnz == round(0.005 * read_run(tmp_path / "run").base.parameters)


def test_a_size_holds_for_an_extraction_too(tuned, tiny_model, tiny_task, tmp_path):
    _extract(tiny_model("bert"), tuned[0], tmp_path / "run", tiny_task, Settings(size=3000))
    pack(tmp_path / "run", tmp_path / "x.dpf")
    assert 0.75 * 3000 <= (tmp_path / "x.dpf").stat().st_size <= 3000


def test_whole_rows_and_columns_of_the_difference_are_kept(tuned, tiny_model, tiny_task, tmp_path):
    settings = Settings(density=0.1, shape=Shape.ROW)
    _extract(tiny_model("bert"), tuned[0], tmp_path / "run", tiny_task, settings)
    diff = read_run(tmp_path / "run")
    assert diff.provenance["shape"] == "row"
    difference = load_tuned(tuned[0], load_encoder(tiny_model("bert")), diff.task).difference
    wanted = top_rows(difference, round(0.1 * diff.base.parameters))
    assert {tensor.name: tensor.indices.tolist() for tensor in diff.tensors} == {
        name: indices.tolist() for name, indices in wanted.items()
    }


def test_only_the_components_asked_for_are_extracted(tuned, tiny_model, tiny_task, tmp_path):
    settings = Settings(density=0.02, components=(Component.FFN,))
    _extract(tiny_model("bert"), tuned[0], tmp_path / "run", tiny_task, settings)
    names = {tensor.name for tensor in read_run(tmp_path / "run").tensors}
    assert {component_of(name) for name in names} == {Component.FFN}
    with pytest.raises(SettingError, match="leave no parameter"):
        _extract(tiny_model("bert"), tuned[0], tmp_path / "none", tiny_task, Settings(exclude=("*",)))
    assert not (tmp_path / "none").exists()


def test_missing_and_extra_tensors_are_said_and_left_alone(tuned, tiny_model, tiny_task, tmp_path, caplog):
    gone = "bert.encoder.layer.0.attention.self.key.weight"

    def change(state):
        del state[gone]
        return state | {"cls.predictions.bias": torch.zeros(3)}

    folder = _changed(tuned[0], tmp_path / "odd", change)
    with caplog.at_level(logging.WARNING):
        _extract(tiny_model("bert"), folder, tmp_path / "run", tiny_task)
    assert [record.message for record in caplog.records] == [
        f"{folder} lacks 1 tensors of the base, which stay as they are: {gone.removeprefix('bert.')}",
        f"{folder} has 1 tensors that the base has not, left out: cls.predictions.bias",
        f"{folder} names no labels, so the rows of its head are taken in the task's order: no, yes",
    ]
    names = {tensor.name for tensor in read_run(tmp_path / "run").tensors}
    assert gone.removeprefix("bert.") not in names
    assert "encoder.layer.1.attention.self.key.weight" in names


def _refused(message, error, *arguments, **options):
    with pytest.raises(error, match=message):
        _extract(*arguments, **options)
    assert not arguments[2].exists()


def test_a_tensor_of_another_shape_is_refused_with_both_shapes(tuned, tiny_model, tiny_task, tmp_path):
    name = "bert.pooler.dense.weight"
    folder = _changed(tuned[0], tmp_path / "odd", lambda state: state | {name: torch.zeros(32, 16)})
    message = r"tensor 'pooler.dense.weight' has shape \(32, 16\), the base tiny-bert has \(32, 32\)"
    _refused(message, ModelError, tiny_model("bert"), folder, tmp_path / "run", tiny_task)


def test_a_tensor_with_a_nan_is_refused(tuned, tiny_model, tiny_task, tmp_path):
    name = "bert.pooler.dense.bias"
    folder = _changed(tuned[0], tmp_path / "odd", lambda s: s | {name: torch.full((32,), torch.nan)})
    message = "tensor 'pooler.dense.bias' holds a value that is not finite"
    _refused(message, ModelError, tiny_model("bert"), folder, tmp_path / "run", tiny_task)


def test_a_checkpoint_of_another_architecture_shares_no_parameter(tuned, tiny_model, tiny_task, tmp_path):
    message = "has no parameter of the base tiny-mpnet"
    folder = _changed(tuned[0], tmp_path / "odd", lambda s: {f"other.{name}": t for name, t in s.items()})
    _refused(message, ModelError, tiny_model("mpnet"), folder, tmp_path / "run", tiny_task)


def test_without_a_head_rows_are_asked_for_and_with_rows_one_is_learnt(
    tuned, tiny_model, tiny_task, tmp_path
):
    headless = _changed(
        tuned[0],
        tmp_path / "headless",
        lambda state: {name: t for name, t in state.items() if not name.startswith("classifier")},
    )
    message = "has no linear head of 2 outputs for task 'colours': give rows to learn one from"
    _refused(message, ModelError, tiny_model("bert"), headless, tmp_path / "run", tiny_task)
    settings = Settings(density=0.05, batch_size=16, precision=Precision.FP32, **LEARNING)
    record = _extract(tiny_model("bert"), headless, tmp_path / "run", tiny_task, settings, rows=True)
    assert record["scores"]["dev"]["accuracy"] > LEARNT


@pytest.mark.parametrize("architecture", ["distilbert", "roberta", "electra", "deberta-v2", "mpnet"])
def test_a_head_with_a_hidden_layer_is_no_linear_head(architecture, tiny_model, tiny_task, tmp_path):
    """DeBERTa's hidden layer is a pooler that its encoder has not."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        tiny_model(architecture), num_labels=2
    )
    model.save_pretrained(tmp_path / "tuned")
    task = load_task(tiny_task / "task.json")
    assert load_tuned(tmp_path / "tuned", load_encoder(tiny_model(architecture)), task).head is None


@pytest.mark.parametrize("architecture", ["albert", "bert", "mobilebert"])
def test_a_linear_head_is_taken_over(architecture, tiny_model, tiny_task, tmp_path):
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        tiny_model(architecture), num_labels=2
    )
    model.save_pretrained(tmp_path / "tuned")
    task = load_task(tiny_task / "task.json")
    found = load_tuned(tmp_path / "tuned", load_encoder(tiny_model(architecture)), task)
    assert np.array_equal(found.head.weight, model.classifier.weight.detach().numpy())
    assert all(not values.any() for values in found.difference.values())
    assert (found.missing, found.extra) == ((), ())


def test_a_head_of_another_kind_of_task_is_not_taken(tiny_model, tiny_task, tmp_path):
    model = transformers.BertForQuestionAnswering.from_pretrained(tiny_model("bert"))
    model.save_pretrained(tmp_path / "tuned")
    encoder, task = load_encoder(tiny_model("bert")), load_task(tiny_task / "task.json")
    assert load_tuned(tmp_path / "tuned", encoder, task).head is None  # both have two outputs


def _saved(model_class, base, folder, names):
    """A checkpoint whose labels have `names` (LABEL_n: none), its head at random, and the head's weights."""
    config = transformers.AutoConfig.from_pretrained(base, id2label=dict(enumerate(names)))
    model = model_class.from_pretrained(base, config=config)
    model.save_pretrained(folder)
    return model.classifier.weight.detach().numpy(), model.classifier.bias.detach().numpy()


BY_KIND = {
    "classification": transformers.BertForSequenceClassification,
    "multi_label": transformers.BertForSequenceClassification,
    "token_classification": transformers.BertForTokenClassification,
}


@pytest.mark.parametrize("kind", BY_KIND)
def test_a_heads_rows_are_found_by_the_names_of_the_labels(
    kind, tiny_model, tiny_task, kind_task, tmp_path, caplog
):
    files = tiny_task if kind == "classification" else kind_task(kind)
    task = load_task(files / "task.json")
    names = [f" {label.upper()}" for label in reversed(task.labels)]
    weight, bias = _saved(BY_KIND[kind], tiny_model("bert"), tmp_path / "tuned", names)
    with caplog.at_level(logging.WARNING, "edgediff"):
        _extract(tiny_model("bert"), tmp_path / "tuned", tmp_path / "run", files)
    head = read_run(tmp_path / "run").head
    assert np.array_equal(head.weight, weight[::-1])
    assert np.array_equal(head.bias, bias[::-1])
    assert "names no labels" not in caplog.text


def test_labels_that_differ_in_case_alone_are_told_apart(tiny_model, tiny_task, tmp_path):
    task = replace(load_task(tiny_task / "task.json"), labels=("us", "US"))
    weight, _ = _saved(BY_KIND["classification"], tiny_model("bert"), tmp_path / "tuned", ["US", "us"])
    found = load_tuned(tmp_path / "tuned", load_encoder(tiny_model("bert")), task)
    assert np.array_equal(found.head.weight, weight[::-1])


@pytest.mark.parametrize("rows", [False, True])
def test_a_checkpoint_of_other_labels_is_refused_with_both_lists(rows, tiny_model, tiny_task, tmp_path):
    _saved(BY_KIND["classification"], tiny_model("bert"), tmp_path / "tuned", ["no", "perhaps"])
    message = "has the labels no, perhaps, expected those of task 'colours' in any order: no, yes$"
    arguments = (tiny_model("bert"), tmp_path / "tuned", tmp_path / "run", tiny_task)
    _refused(message, ModelError, *arguments, rows=rows)


@pytest.mark.parametrize("names", [["LABEL_0", "LABEL_1"], ["0", "1"]])
def test_a_checkpoint_without_names_is_taken_in_the_tasks_order_with_a_note(
    names, tiny_model, tiny_task, tmp_path, caplog
):
    folder = tmp_path / "tuned"
    weight, _ = _saved(BY_KIND["classification"], tiny_model("bert"), folder, names)
    with caplog.at_level(logging.WARNING, "edgediff"):
        _extract(tiny_model("bert"), folder, tmp_path / "run", tiny_task)
    assert np.array_equal(read_run(tmp_path / "run").head.weight, weight)
    assert [record.message for record in caplog.records if record.name.startswith("edgediff")] == [
        f"{folder} names no labels, so the rows of its head are taken in the task's order: no, yes"
    ]


def test_a_weight_that_torch_pruned_is_taken_as_it_acts(tiny_model, tiny_task, tmp_path):
    model = transformers.BertForSequenceClassification.from_pretrained(tiny_model("bert"))
    layer = model.bert.encoder.layer[0].attention.self.query
    prune.l1_unstructured(layer, "weight", 0.5)
    model.save_pretrained(tmp_path / "tuned")
    encoder, task = load_encoder(tiny_model("bert")), load_task(tiny_task / "task.json")
    found = load_tuned(tmp_path / "tuned", encoder, task)
    name = "encoder.layer.0.attention.self.query.weight"
    assert np.array_equal(
        found.difference[name], layer.weight.detach().numpy() - dict(encoder.arrays())[name]
    )
    assert np.count_nonzero(found.difference[name]) == 512
    assert (found.missing, found.extra) == ((), ())


class Bomb:
    """Calls a function when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (type(self.path).touch, (self.path,))


@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_a_pickle_that_would_run_something_is_refused_and_does_not_run(
    writer, tuned, tiny_model, tiny_task, tmp_path
):
    folder, fuse = tmp_path / "bomb", tmp_path / "exploded"
    folder.mkdir()
    shutil.copy(tuned[0] / "config.json", folder)
    if writer == "torch":
        torch.save({"bert.pooler.dense.bias": Bomb(fuse)}, folder / "pytorch_model.bin")
    else:
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"bert.pooler.dense.bias": Bomb(fuse)}, 2))
    arguments = (tiny_model("bert"), folder, tmp_path / "run", tiny_task)
    _refused("pytorch_model.bin is refused: it holds more than tensors", ModelError, *arguments)
    assert not fuse.exists()
    torch.load(folder / "pytorch_model.bin", weights_only=False) if writer == "torch" else None
    assert fuse.exists() == (writer == "torch")  # it is a bomb


def test_a_folder_that_is_no_checkpoint_is_refused(tuned, tiny_model, tiny_task, tmp_path):
    folder = tmp_path / "folder"
    arguments = (tiny_model("bert"), folder, tmp_path / "run", tiny_task)
    _refused("is no folder, expected that of a checkpoint or an adapter", ModelError, *arguments)
    folder.mkdir()
    _refused("is no checkpoint folder: it has no config.json", ModelError, *arguments)
    shutil.copy(tuned[0] / "config.json", folder)
    _refused("it has neither of model.safetensors, pytorch_model.bin", ModelError, *arguments)
    (folder / "pytorch_model.bin").write_bytes(b"")
    _refused("cannot be read as a checkpoint", ModelError, *arguments)
    torch.save([1, 2], folder / "pytorch_model.bin")
    _refused("cannot be read as a checkpoint", ModelError, *arguments)
    (folder / "model.safetensors").write_bytes(b"12345678")
    _refused("cannot be read as a checkpoint", ModelError, *arguments)
    for name in ("model.safetensors", "pytorch_model.bin"):
        (folder / name).unlink()
    (folder / "model.safetensors.index.json").write_text("{}")
    _refused("cannot be read as a checkpoint", ModelError, *arguments)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": []}')
    _refused("cannot be read as a checkpoint", ModelError, *arguments)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "gone.safetensors"}}')
    _refused("cannot be read as a checkpoint", ModelError, *arguments)


def test_rows_to_tune_on_need_rows_to_score_on(tuned, tiny_model, tiny_task, tmp_path):
    with pytest.raises(SettingError, match="give train and dev, or neither"):
        extract(
            tiny_model("bert"),
            tuned[0],
            tmp_path / "run",
            task=tiny_task / "task.json",
            train=tiny_task / "train.jsonl",
        )


def test_rows_are_counted_only_where_there_are_some(tuned, tiny_model, tiny_task, tmp_path):
    task = tiny_task / "task.json"
    with pytest.raises(SettingError, match="rows is 8, of a file of rows to tune on, which is not given"):
        extract(tiny_model("bert"), tuned[0], tmp_path / "run", task=task, settings=ALL, rows=8)


def test_an_extracted_run_is_not_the_result_of_a_training(tuned, tiny_model, tiny_task, tmp_path):
    _extract(tiny_model("bert"), tuned[0], tmp_path / "run", tiny_task)
    with pytest.raises(RunError, match="is finished and does not say what it was trained on"):
        train_on(tiny_model("bert"), tmp_path / "run", tiny_task, QUICK, resume=True)


def test_a_difference_is_cut_by_no_method_that_learns_products(tuned, tiny_model, tiny_task, tmp_path):
    with pytest.raises(SettingError, match="cannot be kept in part by the method early-low-rank"):
        train_on(tiny_model("bert"), tmp_path / "run", tiny_task, Settings(), tuned=tuned[0])


def test_a_run_folder_that_exists_is_left_alone(tuned, tiny_model, tiny_task, tmp_path):
    with pytest.raises(RunError, match="exists already"):
        _extract(tiny_model("bert"), tuned[0], tmp_path, tiny_task)
    assert list(tmp_path.iterdir()) == []
