"""Every method and kind of task from rows to a packed file on onnxruntime, and what the settings promise."""

import json
import random
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import ARCHITECTURES, COLOURS, WORDS

from edgediff import Diff, read_dpf
from edgediff.encoder import load_encoder
from edgediff.errors import RunError, SettingError
from edgediff.format import read_run
from edgediff.pack import pack, quantise
from edgediff.runtime import Tokens, eval, load_session
from edgediff.runtime.answer import feature_logits
from edgediff.score import load_task, predictions, read_rows, score
from edgediff.train import Component, Method, Precision, Settings, make_settings, train
from edgediff.train.batches import TokenRows
from edgediff.train.choosers import FisherChooser
from edgediff.train.cut import Cut
from edgediff.train.dense_stage import DenseChooser
from edgediff.train.mask_stage import MaskStage
from edgediff.train.model import make_model
from edgediff.train.settings import component_of

QUICK = Settings(density=0.05, epochs=3, batch_size=16, precision=Precision.FP32, dense_rate=1e-3)
ONE_ROW = 1.01 / 60
"""What one row of the tiny task's dev rows counts."""


def _train(model, folder, files, settings, **options):
    task = next(path for name in ("task.json", "task.toml") if (path := files / name).is_file())
    paths = {"task": task, "train": files / "train.jsonl", "dev": files / "dev.jsonl"}
    return train(model, folder, settings=settings, **paths, **options)


def _score_on_onnxruntime(base, diff, data):
    """The score of a diff whose values are exact, which no file holds."""
    rows = read_rows(data, diff.task)
    session, task = load_session(base, diff)
    tokens = Tokens(base, diff.task)
    features = tokens.features(rows.texts, rows.pairs)
    logits = feature_logits(session, task, tokens, features)
    return score(diff.task, predictions(diff.task, logits, rows, features), rows)[diff.task.metric]


def _parameters(model):
    return {name: array.size for name, array in load_encoder(model).arrays()}


@pytest.mark.parametrize("method", [method for method in Method if method.sparse])
def test_a_sparse_method_gives_a_file_that_scores_on_onnxruntime_as_in_training(
    method, tiny_model, tiny_base, tiny_task, tmp_path
):
    record = _train(tiny_model("bert"), tmp_path / "run", tiny_task, replace(QUICK, method=method))
    diff, sizes = read_run(tmp_path / "run"), _parameters(tiny_model("bert"))
    if method is Method.BITFIT:
        biases = {name: size for name, size in sizes.items() if name.endswith(".bias")}
        assert {tensor.name: tensor.nnz for tensor in diff.tensors} == biases
    else:
        assert diff.nnz == round(0.05 * sum(sizes.values()))
    assert (record["method"], record["nnz"]) == (method, diff.nnz)
    in_training, dev = record["scores"]["dev"]["accuracy"], tiny_task / "dev.jsonl"
    assert _score_on_onnxruntime(tiny_base, diff, dev) == in_training
    packed = pack(tmp_path / "run", tmp_path / "x.dpf", bits=8)
    assert (
        read_dpf(tmp_path / "x.dpf").nnz
        == packed.nnz
        == sum(np.count_nonzero(t.values) for t in diff.tensors)
    )
    assert eval(tiny_base, tmp_path / "x.dpf", dev).score == pytest.approx(in_training, abs=ONE_ROW)


@pytest.mark.parametrize(("method", "share"), [("full", 1.0), ("last-layer", 0.5), ("lora", 0.5)])
def test_a_dense_method_says_how_many_parameters_it_trained_and_leaves_no_diff(
    method, share, tiny_model, tiny_task, tmp_path
):
    record = _train(tiny_model("bert"), tmp_path / "run", tiny_task, replace(QUICK, method=Method(method)))
    sizes = _parameters(tiny_model("bert"))
    last = sum(size for name, size in sizes.items() if name.startswith("encoder.layer.1."))
    exact = {"full": sum(sizes.values()), "last-layer": last}
    assert 0 < record["trained_parameters"] <= share * sum(sizes.values())
    assert record["trained_parameters"] == exact.get(method, record["trained_parameters"])
    assert record["nnz"] is None
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["task.json", "train.json"]
    with pytest.raises(RunError, match=f"the method '{method}' gives no sparse diff"):
        pack(tmp_path / "run", tmp_path / "x.dpf")


def test_lora_trains_two_matrices_of_its_rank_for_each_linear_layer(tiny_model, tiny_task, tmp_path):
    settings = replace(QUICK, method=Method.LORA, lora_rank=3, components=(Component.ATTENTION,))
    record = _train(tiny_model("bert"), tmp_path / "run", tiny_task, settings, rows=32)
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


@pytest.mark.parametrize("method", [Method.EARLY, Method.FISHER])
def test_choosing_leaves_the_base_as_it_was_bit_for_bit(method, tiny_model, tiny_task):
    model, tokens = _model_and_rows(tiny_model, tiny_task)
    before = {name: array.copy() for name, array in model.encoder.arrays()}
    parameters = model.parameters_by_name()
    if method is Method.EARLY:
        stage = DenseChooser(model, parameters, QUICK, 3, keep_values=False)
    else:
        stage = FisherChooser(model, parameters, QUICK, 3)
    _steps(model, tokens, stage)
    found = stage.found()
    assert all(np.abs(values).max() > 0 for name, values in found.items() if name.endswith("dense.weight"))
    stage.detach()
    for name, array in model.encoder.arrays():
        assert np.array_equal(_bits(array), _bits(before[name])), name


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
    cut = Cut.of(model.encoder.base(), model.task, QUICK)
    tensors = {tensor.name: tensor for tensor in stage.tensors()}
    assert any((tensor.values == 0).any() for tensor in tensors.values())
    if bits is not None:
        packed = quantise(Diff(cut.base, model.task, tuple(tensors.values()), model.head_arrays()), bits)
        tensors = {tensor.name: tensor for tensor in packed.tensors}
        assert len(packed.levels) == 2
    for name, array in model.encoder.arrays():
        wanted = tensors[name].patch(before[name]) if name in tensors else before[name]
        assert np.array_equal(_bits(array), _bits(wanted)), name


# The kinds of tasks, on rows of the shape that real ones have.


def _reviews(choose):
    """Reviews with several tags: those of four words that they hold."""
    words = choose.choices(WORDS, k=choose.randint(4, 9))
    return {
        "review": " ".join(words),
        "tags": [tag for tag in ("good", "bad", "loud", "quiet") if tag in words],
    }


def _entities(choose):
    """Sentences with runs of colours and of numbers, marked as entities."""
    words, tags = choose.choices(WORDS, k=choose.randint(4, 9)), []
    for word in words:
        kind = "COLOUR" if word in COLOURS else "NUMBER" if word in WORDS[3:8] else None
        inside = kind is not None and bool(tags) and tags[-1].endswith(kind)
        tags.append("O" if kind is None else f"{'I' if inside else 'B'}-{kind}")
    return {"words": words, "tags": tags}


def _questions(choose):
    """Contexts of 30 to 40 words, longer than the window of 24 tokens; the answer is the one colour."""
    words = choose.choices(WORDS[3:], k=choose.randint(30, 40))
    place = choose.randrange(len(words))
    words[place] = choose.choice(COLOURS)
    start = len(" ".join([*words[:place], ""])) if place else 0
    return {
        "question": "big lamp",
        "context": " ".join(words),
        "answers": {"text": [words[place]], "answer_start": [start]},
    }


def _counts(choose):
    number = choose.randrange(5)
    return {"text": f"{WORDS[3 + number]} {choose.choice(COLOURS)} lamp", "label": float(number)}


ENTITIES = ["O", "B-COLOUR", "I-COLOUR", "B-NUMBER", "I-NUMBER"]
KINDS = {
    "regression": (_counts, {"text": "text"}, 14, 0.8),
    "multi_label": (
        _reviews,
        {"text": "review", "label": "tags", "labels": ["good", "bad", "loud", "quiet"]},
        40,
        0.75,
    ),
    "token_classification": (_entities, {"text": "words", "label": "tags", "labels": ENTITIES}, 14, 0.6),
    "question_answering": (
        _questions,
        {"text": "question", "text_pair": "context", "max_length": 24},
        14,
        0.6,
    ),
}
"""Rows, definition, epochs and the least score; the same answer for all rows scores at most 0.55."""


@pytest.fixture(scope="module")
def kind_task(tmp_path_factory):
    """Makes the folder of a task, by kind."""

    def make(kind):
        folder = tmp_path_factory.mktemp(kind)
        row, definition, _, _ = KINDS[kind]
        (folder / "task.json").write_text(json.dumps({"name": kind, "kind": kind} | definition))
        for seed, (name, count) in enumerate((("train", 240), ("dev", 60))):
            choose = random.Random(seed)
            text = "\n".join(json.dumps(row(choose)) for _ in range(count))
            (folder / f"{name}.jsonl").write_text(text)
        return folder

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_of_each_kind_is_learnt_and_answered_on_onnxruntime(
    kind, tiny_model, tiny_base, kind_task, tmp_path
):
    files, (_, _, epochs, least) = kind_task(kind), KINDS[kind]
    settings = Settings(
        method=Method.EARLY,
        density=0.3,
        epochs=epochs,
        batch_size=16,
        precision=Precision.FP32,
        dense_rate=2e-3,
        mask_rate=5e-3,
        head_rate=5e-3,
    )
    record = _train(tiny_model("bert"), tmp_path / "run", files, settings)
    in_training = record["scores"]["dev"][record["metric"]]
    assert in_training > least
    exact = _score_on_onnxruntime(tiny_base, read_run(tmp_path / "run"), files / "dev.jsonl")
    assert exact == pytest.approx(in_training, abs=1e-4)
    pack(tmp_path / "run", tmp_path / "x.dpf", bits=8)
    assert eval(tiny_base, tmp_path / "x.dpf", files / "dev.jsonl").score == pytest.approx(
        in_training, abs=0.04
    )


# Which parameters may change.

NAMES = {
    "bert.embeddings.word_embeddings.weight": "embeddings",
    "embeddings.position_embeddings.weight": "embeddings",
    "embeddings.LayerNorm.bias": "layernorm",
    "encoder.layer.3.attention.self.query.weight": "attention",
    "encoder.layer.3.attention.self.query.bias": "bias",
    "encoder.layer.3.attention.output.dense.weight": "attention",
    "encoder.layer.3.attention.output.LayerNorm.weight": "layernorm",
    "encoder.layer.3.intermediate.dense.weight": "ffn",
    "encoder.layer.3.output.dense.weight": "ffn",
    "encoder.layer.3.output.dense.bias": "bias",
    "pooler.dense.weight": "pooler",
    "pooler.dense.bias": "pooler",
    # DistilBERT
    "transformer.layer.0.attention.q_lin.weight": "attention",
    "transformer.layer.0.attention.out_lin.bias": "bias",
    "transformer.layer.0.sa_layer_norm.weight": "layernorm",
    "transformer.layer.0.ffn.lin1.weight": "ffn",
    "transformer.layer.0.output_layer_norm.bias": "layernorm",
    # ELECTRA
    "embeddings_project.weight": "embeddings",
    "embeddings_project.bias": "embeddings",
    # MobileBERT
    "embeddings.embedding_transformation.weight": "embeddings",
    "encoder.layer.0.bottleneck.input.dense.weight": "ffn",
    "encoder.layer.0.bottleneck.attention.dense.weight": "attention",
    "encoder.layer.0.bottleneck.attention.LayerNorm.weight": "layernorm",
    "encoder.layer.0.ffn.1.intermediate.dense.weight": "ffn",
    "encoder.layer.0.output.bottleneck.LayerNorm.bias": "layernorm",
    # ALBERT
    "encoder.embedding_hidden_mapping_in.weight": "embeddings",
    "encoder.embedding_hidden_mapping_in.bias": "embeddings",
    "encoder.albert_layer_groups.0.albert_layers.0.full_layer_layer_norm.weight": "layernorm",
    "encoder.albert_layer_groups.0.albert_layers.0.attention.query.weight": "attention",
    "encoder.albert_layer_groups.0.albert_layers.0.ffn_output.weight": "ffn",
    "encoder.albert_layer_groups.0.albert_layers.0.ffn.bias": "bias",
    "pooler.weight": "pooler",
    # MPNet
    "encoder.layer.0.attention.attn.q.weight": "attention",
    "encoder.layer.0.attention.LayerNorm.weight": "layernorm",
    "encoder.relative_attention_bias.weight": "attention",
    # DeBERTa
    "encoder.rel_embeddings.weight": "embeddings",
    "encoder.LayerNorm.weight": "layernorm",
    "encoder.layer.0.attention.self.query_proj.weight": "attention",
}


@pytest.mark.parametrize(("name", "component"), NAMES.items())
def test_every_parameter_is_of_the_component_that_its_name_says(name, component):
    assert component_of(name) == component


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_matrices_are_attention_ffn_embeddings_or_pooler_and_vectors_the_rest(architecture, tiny_model):
    found = {component: set() for component in Component}
    for name, array in load_encoder(tiny_model(architecture)).arrays():
        found[component_of(name)].add(array.ndim)
    assert found[Component.ATTENTION] == found[Component.FFN] == {2}
    assert found[Component.LAYERNORM] == found[Component.BIAS] == {1}
    assert 2 in found[Component.EMBEDDINGS]
    assert found[Component.POOLER] in (set(), {1, 2})


@pytest.mark.parametrize("component", Component)
def test_only_the_components_asked_for_change(component, tiny_model, tiny_task, tmp_path):
    settings = replace(QUICK, method=Method.EARLY, density=0.005, components=(component,))
    _train(tiny_model("bert"), tmp_path / "run", tiny_task, settings, rows=64)
    diff = read_run(tmp_path / "run")
    assert diff.nnz == round(0.005 * diff.base.parameters)
    assert {component_of(tensor.name) for tensor in diff.tensors} == {component}


@pytest.mark.parametrize("method", ["structured", "magnitude", "random", "bitfit"])
def test_what_is_excluded_stays(method, tiny_model, tiny_task, tmp_path):
    settings = replace(QUICK, method=Method(method), exclude=("embeddings.*", "encoder.layer.0.*"))
    _train(tiny_model("bert"), tmp_path / "run", tiny_task, settings, rows=64)
    names = {tensor.name for tensor in read_run(tmp_path / "run").tensors}
    assert names
    assert all(name.startswith(("encoder.layer.1.", "pooler.")) for name in names)


@pytest.mark.parametrize(
    "settings",
    [
        Settings(exclude=("*",)),
        Settings(components=(Component.POOLER,), exclude=("pooler.*",)),
        Settings(method=Method.BITFIT, components=(Component.ATTENTION,)),
        Settings(method=Method.LORA, components=(Component.LAYERNORM,)),
    ],
)
def test_settings_that_leave_nothing_to_change_are_refused_before_anything_is_written(
    settings, tiny_model, tiny_task, tmp_path
):
    with pytest.raises(SettingError, match="leave no parameter"):
        _train(tiny_model("bert"), tmp_path / "run", tiny_task, settings)
    assert list(tmp_path.iterdir()) == []


# Sizes and bits.


@pytest.mark.parametrize(
    ("method", "size"), [("structured", 1500), ("early", 4000), ("magnitude", 2500), ("fisher", 2500)]
)
def test_a_run_for_a_size_packs_into_it_and_fills_it(method, size, tiny_model, tiny_task, tmp_path):
    settings = replace(QUICK, method=Method(method), size=size)
    _train(tiny_model("bert"), tmp_path / "run", tiny_task, settings)
    pack(tmp_path / "run", tmp_path / "given.dpf", max_bytes=size)
    assert 0.75 * size <= (tmp_path / "given.dpf").stat().st_size <= size
    pack(tmp_path / "run", tmp_path / "own.dpf")  # the run's own size
    assert (tmp_path / "own.dpf").read_bytes() == (tmp_path / "given.dpf").read_bytes()
    pack(tmp_path / "run", tmp_path / "less.dpf", max_bytes=size - 300)
    assert (tmp_path / "less.dpf").stat().st_size <= size - 300


def test_a_size_that_does_not_hold_the_head_is_refused_before_anything_is_written(
    tiny_model, tiny_task, tmp_path
):
    with pytest.raises(SettingError, match="bytes without any entry, at most 190 are allowed"):
        _train(tiny_model("bert"), tmp_path / "run", tiny_task, replace(QUICK, size=200))
    assert list(tmp_path.iterdir()) == []


def test_the_least_size_that_is_accepted_can_be_packed(tiny_model, tiny_task, tmp_path):
    encoder, task = load_encoder(tiny_model("bert")), load_task(tiny_task / "task.json")
    base, settings = encoder.base(), replace(QUICK, method=Method.EARLY)

    def accepted(size):
        try:
            Cut.of(base, task, replace(settings, size=size))
        except SettingError:
            return False
        return True

    least = next(size for size in range(300, 1000) if accepted(size))
    assert not accepted(300)
    _train(tiny_model("bert"), tmp_path / "run", tiny_task, replace(settings, size=least), rows=64)
    pack(tmp_path / "run", tmp_path / "x.dpf")
    assert (tmp_path / "x.dpf").stat().st_size <= least


def test_a_run_for_two_bits_packs_to_two_bits_and_keeps_its_score(tiny_model, tiny_base, tiny_task, tmp_path):
    settings = replace(QUICK, method=Method.EARLY, bits=2, epochs=8)
    record = _train(tiny_model("bert"), tmp_path / "run", tiny_task, settings)
    values = np.concatenate([np.abs(tensor.values) for tensor in read_run(tmp_path / "run").tensors])
    assert len(np.unique(values)) > 100  # the run keeps them exact
    packed = pack(tmp_path / "run", tmp_path / "x.dpf")
    assert len(packed.levels) == 2
    found = eval(tiny_base, tmp_path / "x.dpf", tiny_task / "dev.jsonl").score
    assert found == pytest.approx(record["scores"]["dev"]["accuracy"], abs=ONE_ROW)
    assert len(pack(tmp_path / "run", tmp_path / "y.dpf", bits=5).levels) > 2  # what is asked for is stronger


def test_a_record_whose_size_is_no_number_is_refused(tiny_run, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "run")
    record = json.loads((tmp_path / "run" / "train.json").read_text())
    record["settings"]["size"] = "100KB"
    (tmp_path / "run" / "train.json").write_text(json.dumps(record))
    with pytest.raises(RunError, match="size in the settings of its record is '100KB'"):
        pack(tmp_path / "run", tmp_path / "x.dpf")


# Patience and accumulation.


def test_patience_keeps_the_best_epoch_and_stops_early(tiny_model, tiny_base, tiny_task, tmp_path):
    settings = replace(QUICK, method=Method.EARLY, epochs=40, mask_rate=0.2, head_rate=1e-2, patience=4)
    record = _train(tiny_model("bert"), tmp_path / "run", tiny_task, settings)
    seen = [point for point in record["history"] if "score" in point]
    scores = [point["score"] for point in seen]
    best = scores.index(max(scores))
    assert len(scores) == best + 1 + 4
    assert scores[best] == record["scores"]["dev"]["accuracy"]
    assert [stage["steps"] for stage in record["stages"]] == [80, seen[-1]["step"] - 80]
    assert seen[-1]["step"] < 400
    assert _score_on_onnxruntime(tiny_base, read_run(tmp_path / "run"), tiny_task / "dev.jsonl") == max(
        scores
    )


def test_without_patience_no_epoch_is_scored(tiny_run):
    record = json.loads((tiny_run / "train.json").read_text())
    assert not [point for point in record["history"] if "score" in point]


@pytest.mark.parametrize("kind", ["classification", "token_classification"])
def test_a_batch_in_four_parts_teaches_what_it_teaches_whole(
    kind, tiny_model, tiny_task, kind_task, tmp_path
):
    """Of token labels the parts have unlike numbers, and 60 rows make a last batch of 12."""
    shutil.copytree(tiny_model("bert"), tmp_path / "plain")
    config = json.loads((tmp_path / "plain" / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (tmp_path / "plain" / "config.json").write_text(json.dumps(config))
    files = tiny_task if kind == "classification" else kind_task(kind)
    # The loss does not depend on the bias of the keys: its gradient is rounding errors alone.
    settings = replace(QUICK, method=Method.RANDOM, epochs=1, exclude=("*.key.bias",))
    diffs = []
    for parts in (1, 4, 3):
        _train(
            tmp_path / "plain",
            tmp_path / f"run{parts}",
            files,
            replace(settings, accumulation=parts),
            rows=60,
        )
        diffs.append(read_run(tmp_path / f"run{parts}"))
    for other in diffs[1:]:
        for one, two in zip(diffs[0].tensors, other.tensors, strict=True):
            np.testing.assert_allclose(two.values, one.values, rtol=0, atol=1e-5, err_msg=one.name)
        np.testing.assert_allclose(other.head.weight, diffs[0].head.weight, rtol=0, atol=1e-5)
    assert max(np.abs(tensor.values).max() for tensor in diffs[0].tensors) > 1e-3


def test_the_form_of_the_penalty_changes_what_is_learnt(tiny_model, tiny_task, tmp_path):
    for form in ("product", "sum"):
        settings = make_settings({"l0_form": form, "epochs": 1, "density": 0.05, "batch_size": 16}, "test")
        _train(tiny_model("bert"), tmp_path / form, tiny_task, settings)
    one, two = (read_run(tmp_path / form) for form in ("product", "sum"))
    assert one.nnz == two.nnz
    assert not np.array_equal(one.head.weight, two.head.weight)


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"methd": "early"}, "here: unknown setting 'methd'; there are method, density"),
        ({"method": "erly"}, "here: method is 'erly', expected one of structured, diff, early"),
        ({"l0_form": "mean"}, "here: l0_form is 'mean', expected one of product, sum"),
        ({"components": ["heads"]}, "here: components is 'heads', expected one of embeddings"),
        ({"components": "bias"}, "here: components is 'bias', expected a list of texts"),
        ({"exclude": [1]}, "here: exclude is .1., expected a list of texts"),
        ({"density": "0.1"}, "here: a setting is of the wrong type"),
        ({"batch_size": 1.5}, "batch_size is 1.5, expected a whole number, at least 1"),
        ({"accumulation": 0}, "accumulation is 0, expected a whole number, at least 1"),
        ({"seed": "zero"}, "seed is 'zero', expected a whole number, at least 0"),
        ({"seed": -1}, "seed is -1, expected a whole number, at least 0"),
        ({"size": 0}, "size is 0, expected a whole number, at least 1"),
        ({"size": "100KB"}, "size is '100KB', expected a whole number"),
        ({"patience": 0}, "patience is 0, expected a whole number, at least 1"),
        ({"bits": 9}, "bits is 9, expected a whole number from 2 to 8"),
        ({"bits": True}, "bits is True, expected a whole number from 2 to 8"),
        ({"epochs": float("inf")}, "epochs is inf, expected a number above 0"),
        ({"clip": 0}, "clip is 0, expected a number above 0"),
        ({"choosing_share": 0}, "choosing_share is 0, expected a number between 0 and 1"),
        ({"warmup": 1}, "warmup is 1, expected a number from 0 to below 1"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(plain, message):
    with pytest.raises(SettingError, match=message):
        make_settings(plain, "here")
