"""LoRA adapters that PEFT trained and saved, as diffs: `edgediff extract`."""

import json
import logging
import shutil
import warnings
from dataclasses import replace

import numpy as np
import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from edgediff.encoder import load_adapter, load_encoder
from edgediff.errors import ModelError, SettingError
from edgediff.format import inspect, read_run
from edgediff.pack import pack
from edgediff.runtime import Tokens, load_session
from edgediff.score import load_task, read_rows
from edgediff.train import Settings, extract
from edgediff_cli.show import record_text

WEIGHTS = "adapter_model.safetensors"


def _train(base, folder, files, **options):
    """PEFT's own model for classification, some steps from random factors, saved as its users do."""
    task = load_task(files / "task.json")
    rows = read_rows(files / "train.jsonl", task)
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    torch.manual_seed(1)
    config = peft.LoraConfig(task_type=peft.TaskType.SEQ_CLS, init_lora_weights=False, **options)
    model = _wrapped(transformers.BertForSequenceClassification.from_pretrained(base), config).train()
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=2e-3)
    for first in range(0, 160, 16):
        inputs = tokenizer(rows.texts[first : first + 16], padding=True, return_tensors="pt")
        labels = torch.from_numpy(rows.targets[first : first + 16])
        optimizer.zero_grad()
        model(**inputs, labels=labels).loss.backward()
        optimizer.step()
    model.eval().save_pretrained(folder)
    return model


def _wrapped(plain, config):
    with warnings.catch_warnings():  # PEFT asks transformers by a name that is about to go
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        return peft.get_peft_model(plain, config)


def _extract(model, folder, run, files, **options):
    return extract(model, folder, run, task=files / "task.json", **options)


def _logits(base, diff, texts):
    session, task = load_session(base, diff)
    (logits,) = session.run(["logits"], {**Tokens(base, diff.task)(texts), **task.feeds})
    return logits


@pytest.mark.parametrize(
    "options",
    [
        {"r": 2, "target_modules": ["query", "value"]},
        {"r": 4, "lora_alpha": 32, "use_rslora": True, "target_modules": "all-linear"},
        {
            "r": 2,
            "target_modules": ["query", "intermediate.dense"],
            "rank_pattern": {"query": 3},
            "alpha_pattern": {"intermediate.dense": 1, "layer.0.attention.self.query": 20},
            "bias": "all",
        },
    ],
    ids=["plain", "rslora", "patterns and biases"],
)
def test_a_diff_of_an_adapter_answers_as_the_adapted_model(
    options, tiny_model, tiny_base, tiny_task, tmp_path
):
    model = _train(tiny_model("bert"), tmp_path / "adapter", tiny_task, **options)
    record = _extract(tiny_model("bert"), tmp_path / "adapter", tmp_path / "run", tiny_task)
    diff = read_run(tmp_path / "run")
    texts = read_rows(tiny_task / "dev.jsonl", diff.task).texts
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_model("bert"))
    with torch.inference_mode():
        wanted = model(**tokenizer(texts, padding=True, return_tensors="pt")).logits.numpy()
    found = _logits(tiny_base, diff, texts)
    without = _logits(tiny_base, replace(diff, products=()), texts)
    assert np.abs(found - wanted).max() < 0.01 * np.abs(without - wanted).max()
    assert (record["method"], record["nnz"] > 0) == ("extract", options.get("bias") == "all")
    assert record["factors"] == sum(product.size for product in diff.products) > 0
    assert record_text(record).startswith("colours, as the adapter has it, ")


def test_an_adapter_is_packed_at_four_bits_a_number(tiny_model, tiny_base, tiny_task, tmp_path):
    _train(tiny_model("bert"), tmp_path / "adapter", tiny_task, r=4, target_modules=["query", "value"])
    _extract(tiny_model("bert"), tmp_path / "adapter", tmp_path / "run", tiny_task)
    exact, packed = read_run(tmp_path / "run"), pack(tmp_path / "run", tmp_path / "x.dpf")
    for one, other in zip(exact.products, packed.products, strict=True):
        lost = np.square(other.dense() - one.dense()).sum() / np.square(one.dense()).sum()
        assert lost < 0.03
    assert inspect(tmp_path / "x.dpf")["provenance"]["method"] == "extract"
    texts = read_rows(tiny_task / "dev.jsonl", exact.task).texts
    agree = _logits(tiny_base, packed, texts).argmax(1) == _logits(tiny_base, exact, texts).argmax(1)
    assert agree.mean() > 0.9


CLASSIFIER = transformers.BertForSequenceClassification


def _adapted(base, model_class=CLASSIFIER, **options):
    """PEFT's model before training."""
    torch.manual_seed(1)
    config = peft.LoraConfig(r=2, target_modules=["query", "value"], **options)
    return _wrapped(model_class.from_pretrained(base), config)


def _move_factors(model):
    """What stands for training: a random step away from the start."""
    for name, parameter in model.named_parameters():
        if ".lora_" in name:
            parameter.data += 0.05 * torch.randn_like(parameter)


def _largest_error(model, folder, base, files):
    """How far the adapter in `folder` is from what PEFT's merge of `model` adds to the base; how much it is.

    Both are the largest over all parameters.
    """
    encoder = load_encoder(base)
    adapter = load_adapter(folder, encoder, load_task(files / "task.json"))
    merged = model.merge_and_unload()
    merged = dict(getattr(merged, "bert", merged).named_parameters())
    products = {product.name: product.dense() for product in adapter.products}
    changes = {name: merged[name].detach().numpy() - array for name, array in encoder.arrays()}
    errors = [np.abs(change - products.get(name, 0)).max() for name, change in changes.items()]
    return max(errors), max(np.abs(change).max() for change in changes.values())


LAYER = "encoder.layer.0.attention.self.query"


@pytest.mark.filterwarnings("ignore:The following .*_pattern keys did not match:RuntimeWarning")
@pytest.mark.parametrize(
    ("pattern", "model_class"),
    [
        ("query", CLASSIFIER),
        (LAYER, CLASSIFIER),
        (f"bert.{LAYER}", CLASSIFIER),
        (f"^bert.{LAYER}", CLASSIFIER),
        (f"^{LAYER}", CLASSIFIER),  # names no layer of this model
        (f"^{LAYER}", transformers.BertModel),
    ],
)
def test_a_pattern_of_names_means_the_layers_that_peft_takes_it_to_mean(
    pattern, model_class, tiny_model, tiny_task, tmp_path
):
    patterns = {"alpha_pattern": {pattern: 20}, "rank_pattern": {pattern: 3}}
    model = _adapted(tiny_model("bert"), model_class, **patterns)
    _move_factors(model)
    model.save_pretrained(tmp_path / "adapter")
    error, change = _largest_error(model, tmp_path / "adapter", tiny_model("bert"), tiny_task)
    assert error < 1e-6 < 1e-2 < change


@pytest.mark.filterwarnings("ignore:.*eva")
@pytest.mark.parametrize("start", [True, False, "gaussian", "orthogonal", "eva", "mica"])
def test_a_start_that_leaves_the_base_alone_is_taken(start, tiny_model, tiny_task, tmp_path):
    model = _adapted(tiny_model("bert"), init_lora_weights=start)
    _move_factors(model)
    model.save_pretrained(tmp_path / "adapter")
    error, change = _largest_error(model, tmp_path / "adapter", tiny_model("bert"), tiny_task)
    assert error < 1e-6 < 1e-2 < change


@pytest.mark.filterwarnings("ignore:(PiSSA|OLoRA) changes the base weights")
@pytest.mark.parametrize("start", ["pissa", "pissa_niter_4", "olora"])
def test_a_start_that_changes_the_base_is_refused_unless_peft_converted_it(
    start, tiny_model, tiny_task, tmp_path
):
    model = _adapted(tiny_model("bert"), init_lora_weights=start)
    model.save_pretrained(tmp_path / "start")
    _move_factors(model)
    model.save_pretrained(tmp_path / "adapter")
    message = (
        f"adapter started by init_lora_weights '{start}', which changes the base itself: expected True, False"
    )
    with pytest.raises(ModelError, match=message):
        _extract(tiny_model("bert"), tmp_path / "adapter", tmp_path / "run", tiny_task)
    model.save_pretrained(
        tmp_path / "converted", path_initial_model_for_weight_conversion=str(tmp_path / "start")
    )
    error, change = _largest_error(model, tmp_path / "converted", tiny_model("bert"), tiny_task)
    assert error < 1e-6 < 1e-2 < change


def test_an_adapter_of_single_tokens_is_refused(tiny_model, tiny_task, tmp_path):
    model = _adapted(tiny_model("bert"), trainable_token_indices=[5, 6])
    _move_factors(model)
    model.save_pretrained(tmp_path / "adapter")
    message = "is an adapter with trainable_token_indices, which no product of two factors can hold"
    with pytest.raises(ModelError, match=message):
        _extract(tiny_model("bert"), tmp_path / "adapter", tmp_path / "run", tiny_task)
    unsaid = _changed(tmp_path / "adapter", tmp_path / "unsaid", {"trainable_token_indices": None})
    with pytest.raises(ModelError, match=r"token_adapter.* is no factor of a linear layer of tiny-bert"):
        _extract(tiny_model("bert"), unsaid, tmp_path / "run", tiny_task)


@pytest.fixture(scope="module")
def adapter(tiny_model, tiny_task, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapter") / "lora"
    _train(tiny_model("bert"), folder, tiny_task, r=2, target_modules=["query", "value"])
    return folder


def _changed(folder, copy, configuration=None, tensors=lambda state: state):
    shutil.copytree(folder, copy)
    config = json.loads((folder / "adapter_config.json").read_text()) | (configuration or {})
    (copy / "adapter_config.json").write_text(json.dumps(config))
    save_file(tensors(load_file(folder / WEIGHTS)), copy / WEIGHTS)
    return copy


QUERY = "base_model.model.bert.encoder.layer.0.attention.self.query.lora_{}.weight"


def _without(part):
    return lambda state: {name: tensor for name, tensor in state.items() if part not in name}


@pytest.mark.parametrize(
    ("configuration", "tensors", "message"),
    [
        ({"peft_type": "IA3"}, None, "is an adapter of type 'IA3', expected 'LORA'"),
        ({"use_dora": True}, None, "is an adapter with use_dora, which no product of two factors can hold"),
        ({"alora_invocation_tokens": [3]}, None, "is an adapter with alora_invocation_tokens"),
        (
            {},
            lambda s: s | {QUERY.format("A"): torch.zeros(2, 31)},
            r"query.weight' have shapes \(32, 2\) and \(2, 31\), the base \(32, 32\)",
        ),
        ({}, lambda s: s | {QUERY.format("A"): torch.zeros(2)}, "the factors of .* have shapes"),
        (
            {},
            lambda s: s | {QUERY.format("B"): torch.full((32, 2), torch.inf)},
            "a factor of 'encoder.layer.0.attention.self.query.weight' holds a value that is not finite",
        ),
        ({}, _without("query.lora_A"), "query.lora_B.weight' is no factor of a linear layer of tiny-bert"),
        ({}, _without("lora_"), "changes no parameter of the base tiny-bert"),
        ({}, _without("classifier"), "has no linear head of 2 outputs for task 'colours'$"),
        (
            {"alpha_pattern": {"query(": 8}},
            None,
            r"alpha_pattern 'query\(' is no regular expression: missing",
        ),
        ({"alpha_pattern": ["query"]}, None, r"alpha_pattern is \['query'\], expected alphas by pattern"),
        ({"alpha_pattern": {"query": None}}, None, "an alpha is None, expected a number"),
        ({"lora_alpha": "16"}, None, "an alpha is '16', expected a number"),
    ],
)
def test_an_adapter_that_cannot_be_a_diff_is_refused_in_one_sentence(
    configuration, tensors, message, adapter, tiny_model, tiny_task, tmp_path
):
    odd = _changed(adapter, tmp_path / "odd", configuration, tensors or (lambda state: state))
    with pytest.raises(ModelError, match=message):
        _extract(tiny_model("bert"), odd, tmp_path / "run", tiny_task)
    assert not (tmp_path / "run").exists()


def test_an_adapter_takes_no_rows_and_the_components_that_are_allowed(
    adapter, tiny_model, tiny_task, tmp_path
):
    rows = {"train": tiny_task / "train.jsonl", "dev": tiny_task / "dev.jsonl"}
    with pytest.raises(SettingError, match="is an adapter, which is taken as it is: give no rows"):
        _extract(tiny_model("bert"), adapter, tmp_path / "run", tiny_task, **rows)
    settings = Settings(exclude=("*.query.*",))
    _extract(tiny_model("bert"), adapter, tmp_path / "run", tiny_task, settings=settings)
    assert all("value" in product.name for product in read_run(tmp_path / "run").products)


def test_an_adapter_says_that_it_does_not_name_its_labels(adapter, tiny_model, tiny_task, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "edgediff"):
        _extract(tiny_model("bert"), adapter, tmp_path / "run", tiny_task)
    assert [record.message for record in caplog.records if record.name.startswith("edgediff")] == [
        f"{adapter} names no labels, so the rows of its head are taken in the task's order: no, yes"
    ]


@pytest.mark.parametrize("config", ["", "[1]", "{"])
def test_a_configuration_that_is_none_is_refused(config, adapter, tiny_model, tiny_task, tmp_path):
    odd = _changed(adapter, tmp_path / "odd")
    (odd / "adapter_config.json").write_text(config)
    with pytest.raises(ModelError, match=r"adapter_config\.json cannot be read"):
        _extract(tiny_model("bert"), odd, tmp_path / "run", tiny_task)
