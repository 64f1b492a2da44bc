import importlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import train_on
from safetensors.numpy import load_file

from edgediff.encoder import load_encoder
from edgediff.errors import OutputError, RunError, SettingError
from edgediff.format import read_run
from edgediff.score import load_task, read_rows
from edgediff.train import Method, Precision, Settings
from edgediff.train.batches import TokenRows
from edgediff.train.checkpoint import CHECKPOINT_FILE
from edgediff.train.gate_stage import GateStage
from edgediff.train.model import make_model

QUICK = Settings(method=Method.STRUCTURED, density=0.05, epochs=1, batch_size=16, precision=Precision.FP32)


def test_a_run_folder_holds_diff_task_and_record(tiny_run):
    assert sorted(p.name for p in tiny_run.iterdir()) == ["diff.safetensors", "task.json", "train.json"]
    record = json.loads((tiny_run / "train.json").read_text())
    assert 0.5 < record["scores"]["dev"]["accuracy"] <= 1
    assert [stage["name"] for stage in record["stages"]] == ["gates", "mask"]
    for stage in record["stages"]:
        assert stage["steps"] == 20
        assert stage["step_seconds"] > 0
        assert stage["peak_memory_bytes"] > 10_000_000
    assert {"torch", "transformers", "accelerate", "edgediff"} == set(record["versions"])


def test_the_diff_has_exactly_the_density_asked_for(tiny_run, tiny_model):
    diff = read_run(tiny_run)
    parameters = sum(array.size for _, array in load_encoder(tiny_model("bert")).arrays())
    assert diff.nnz == round(0.05 * parameters)
    for tensor in diff.tensors:
        assert (np.diff(tensor.indices) > 0).all()
        assert 0 <= tensor.indices[0] <= tensor.indices[-1] < tensor.numel


def test_names_and_shapes_are_those_of_the_encoder(tiny_run, tiny_model):
    arrays = dict(load_encoder(tiny_model("bert")).arrays())
    assert all(arrays[tensor.name].shape == tensor.shape for tensor in read_run(tiny_run).tensors)


def test_the_same_seed_gives_the_same_bits(tiny_model, tiny_task, tmp_path):
    for name in ("first", "second"):
        train_on(tiny_model("bert"), tmp_path / name, tiny_task, QUICK)
    first, second = (load_file(tmp_path / name / "diff.safetensors") for name in ("first", "second"))
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[key], second[key]) for key in first)


def test_another_seed_gives_another_diff(tiny_model, tiny_task, tmp_path):
    train_on(tiny_model("bert"), tmp_path / "first", tiny_task, QUICK)
    train_on(tiny_model("bert"), tmp_path / "second", tiny_task, replace(QUICK, seed=1))
    heads = [read_run(tmp_path / name).head.weight for name in ("first", "second")]
    assert not np.array_equal(*heads)


def test_the_largest_seed_trains(tiny_model, tiny_task, tmp_path):
    settings = replace(QUICK, method=Method.EARLY_LOW_RANK, seed=2**44)
    record = train_on(tiny_model("bert"), tmp_path / "run", tiny_task, settings, rows=32)
    assert record["settings"]["seed"] == 2**44


def test_full_fine_tuning_gives_a_score_and_no_diff(tiny_model, tiny_task, tmp_path):
    record = train_on(
        tiny_model("bert"), tmp_path / "run", tiny_task, replace(QUICK, method=Method.FULL, density=None)
    )
    assert 0 <= record["scores"]["dev"]["accuracy"] <= 1
    names = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert names == ["task.json", "train.json", "weights.safetensors"]
    with pytest.raises(RunError, match="the method 'full' gives no diff"):
        read_run(tmp_path / "run")


def test_a_regression_learns(tiny_model, tmp_path):
    words = ["zero", "one", "two", "three", "four"]
    rows = [{"a": f"{words[i % 5]} lamp", "b": "small lamp", "s": float(i % 5)} for i in range(100)]
    for name in ("train", "dev"):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "task.json").write_text(
        json.dumps({"name": "count", "kind": "regression", "text": "a", "text_pair": "b", "label": "s"})
    )
    settings = replace(QUICK, epochs=20, density=0.2, mask_rate=5e-3)
    record = train_on(tiny_model("bert"), tmp_path / "run", tmp_path, settings)
    assert record["scores"]["dev"]["pearson"] > 0.5


def _gate_stage(encoder, task, tokens):
    model = make_model(encoder, task, 0, tokens.rows)
    return GateStage(model, model.parameters_by_name(), tokens.token_ids(), QUICK, 10, QUICK.density)


def test_words_that_never_occur_have_neither_diff_nor_gate(tiny_model, tiny_task):
    encoder = load_encoder(tiny_model("bert"))
    task = load_task(tiny_task / "task.json")
    tokens = TokenRows(read_rows(tiny_task / "train.jsonl", task), encoder, task)
    stage = _gate_stage(encoder, task, tokens)
    words = next(t for t in stage.tensors if t.name == "embeddings.word_embeddings.weight")
    assert words.rows is not None
    assert len(words.rows) == len(tokens.token_ids()) < len(words.parameter)
    assert len(words.w) == len(words.rows) * words.parameter.shape[1]
    assert all(t.rows is None for t in stage.tensors if t is not words)


def test_detaching_the_gates_restores_the_base_bit_for_bit(tiny_model, tiny_task):
    encoder = load_encoder(tiny_model("bert"))
    before = {name: array.copy() for name, array in encoder.arrays()}
    task = load_task(tiny_task / "task.json")
    tokens = TokenRows(read_rows(tiny_task / "train.jsonl", task), encoder, task)
    stage = _gate_stage(encoder, task, tokens)
    for tensor in stage.tensors:
        torch.nn.init.normal_(tensor.w)
    stage.prepare(0)
    assert any(not np.array_equal(array, before[name]) for name, array in encoder.arrays())
    stage.detach()
    for name, array in encoder.arrays():
        assert np.array_equal(array.view(np.uint32), before[name].view(np.uint32)), name


def test_every_row_occurs_once_an_epoch_and_epochs_differ(tiny_model, tiny_task):
    encoder = load_encoder(tiny_model("bert"))
    task = load_task(tiny_task / "task.json")
    tokens = TokenRows(read_rows(tiny_task / "train.jsonl", task), encoder, task)
    first, again, second = (torch.cat(tokens.training_order(16, 0, epoch)) for epoch in (0, 0, 1))
    assert torch.equal(first.sort().values, torch.arange(len(tokens)))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


FOUR_EPOCHS = Settings(method=Method.STRUCTURED, density=0.05, epochs=4, batch_size=16)
"""Those of `tiny_run`."""


def test_a_finished_run_resumes_to_its_own_record(tiny_run, tiny_model, tiny_task):
    record = train_on(tiny_model("bert"), tiny_run, tiny_task, FOUR_EPOCHS, resume=True)
    assert record == json.loads((tiny_run / "train.json").read_text())


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"density": 0.1}, "density 0.05, not 0.1"),
        ({"epochs": 5}, "epochs 4, not 5"),
        ({"method": Method.RANDOM}, "method 'structured', not 'random'"),
        ({"components": ("bias", "ffn")}, r"components \[\], not \['bias', 'ffn'\]"),
    ],
)
def test_a_finished_run_is_not_the_result_of_other_settings(other, told, tiny_run, tiny_model, tiny_task):
    with pytest.raises(RunError, match=f"is finished and was trained with {told}: name a new RUN folder"):
        train_on(tiny_model("bert"), tiny_run, tiny_task, replace(FOUR_EPOCHS, **other), resume=True)


def test_a_finished_run_is_not_the_result_of_other_rows_or_another_base(tiny_run, tiny_model, tiny_task):
    with pytest.raises(RunError, match="was trained with rows '"):
        train_on(tiny_model("bert"), tiny_run, tiny_task, FOUR_EPOCHS, resume=True, rows=64)
    with pytest.raises(RunError, match="was trained with base '"):
        train_on(tiny_model("electra"), tiny_run, tiny_task, FOUR_EPOCHS, resume=True)


def test_the_precision_of_a_run_is_the_one_that_it_had_whoever_chose_it(tiny_run, tiny_model, tiny_task):
    record = json.loads((tiny_run / "train.json").read_text())
    assert record["identity"]["precision"] == record["precision"]
    chosen = replace(FOUR_EPOCHS, precision=record["precision"])
    assert train_on(tiny_model("bert"), tiny_run, tiny_task, chosen, resume=True) == record


def test_where_a_finished_run_was_trained_is_no_matter(tiny_run, tiny_model, tiny_task, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    record = json.loads((run / "train.json").read_text())
    record["identity"] |= {"edgediff": "0.0.9", "processes": 2, "precision": "elsewhere"}
    (run / "train.json").write_text(json.dumps(record))
    assert train_on(tiny_model("bert"), run, tiny_task, FOUR_EPOCHS, resume=True) == record
    with pytest.raises(RunError, match="was trained with precision 'elsewhere', not 'fp32'"):
        train_on(
            tiny_model("bert"), run, tiny_task, replace(FOUR_EPOCHS, precision=Precision.FP32), resume=True
        )


def test_a_finished_run_that_does_not_say_of_what_it_is_is_no_result(
    tiny_run, tiny_model, tiny_task, tmp_path
):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    record = json.loads((run / "train.json").read_text())
    del record["identity"]
    (run / "train.json").write_text(json.dumps(record))
    with pytest.raises(RunError, match="is finished and does not say what it was trained on"):
        train_on(tiny_model("bert"), run, tiny_task, FOUR_EPOCHS, resume=True)
    assert json.loads((run / "train.json").read_text()) == record


def test_a_checkpoint_that_a_killed_process_left_goes_when_its_run_is_read(
    tiny_run, tiny_model, tiny_task, tmp_path
):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    (run / CHECKPOINT_FILE).write_bytes(b"of the last stage")
    train_on(tiny_model("bert"), run, tiny_task, FOUR_EPOCHS, resume=True)
    assert sorted(path.name for path in run.iterdir()) == sorted(path.name for path in tiny_run.iterdir())


def test_a_run_that_another_process_finishes_meanwhile_is_left_alone(
    tiny_run, tiny_model, tiny_task, tmp_path, monkeypatch
):
    run = tmp_path / "run"
    module = importlib.import_module("edgediff.train.train")

    def load_encoder(model):
        shutil.copytree(tiny_run, run)  # between the first look at the folder and the lock
        return load(model)

    load = module.load_encoder
    monkeypatch.setattr(module, "load_encoder", load_encoder)
    with pytest.raises(RunError, match="was finished by another process meanwhile"):
        train_on(tiny_model("bert"), run, tiny_task, replace(FOUR_EPOCHS, seed=5))
    for name in ("train.json", "diff.safetensors"):
        assert (run / name).read_bytes() == (tiny_run / name).read_bytes()


def test_a_folder_that_cannot_be_locked_is_one_sentence(tiny_model, tiny_task, tmp_path):
    (tmp_path / "run" / ".lock").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"cannot write in .*run: Is a directory"):
        train_on(tiny_model("bert"), tmp_path / "run", tiny_task, QUICK, resume=True)


def test_a_row_of_many_labels_is_told_from_another(tiny_model, tmp_path):
    labels = [f"l{number}" for number in range(1200)]
    task = {"name": "many", "kind": "multi_label", "text": "text", "label": "tags", "labels": labels}
    (tmp_path / "task.json").write_text(json.dumps(task))

    def write(middle):
        rows = [{"text": "red lamp", "tags": ["l0", middle]}, {"text": "big lamp", "tags": ["l1199"]}]
        for name in ("train.jsonl", "dev.jsonl"):
            (tmp_path / name).write_text("\n".join(map(json.dumps, rows)))

    write("l600")
    settings = Settings(method=Method.RANDOM, epochs=1)
    train_on(tiny_model("bert"), tmp_path / "run", tmp_path, settings)
    write("l601")
    with pytest.raises(RunError, match="was trained with rows"):
        train_on(tiny_model("bert"), tmp_path / "run", tmp_path, settings, resume=True)


def test_an_existing_run_folder_is_left_alone(tiny_model, tiny_task, tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(RunError, match="exists already"):
        train_on(tiny_model("bert"), tmp_path, tiny_task, QUICK)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("density", [0, -0.1, 1.01, float("nan")])
def test_a_density_outside_its_range_is_refused(density):
    with pytest.raises(SettingError, match=r"density is .*, expected a number above 0 and at most 1"):
        Settings(density=density)


def test_a_density_that_keeps_nothing_is_refused_before_anything_is_written(tiny_model, tiny_task, tmp_path):
    with pytest.raises(SettingError, match="keeps no entry"):
        train_on(tiny_model("bert"), tmp_path / "run", tiny_task, replace(QUICK, density=1e-6))
    assert list(tmp_path.iterdir()) == []
