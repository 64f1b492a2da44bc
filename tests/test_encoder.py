import json
import shutil

import numpy as np
import pytest
import torch
import transformers
from conftest import ARCHITECTURES

from edgediff.diff import fingerprint
from edgediff.encoder import load_encoder
from edgediff.errors import ModelError


def test_the_fingerprint_depends_on_names_shapes_and_every_bit():
    array = np.arange(6, dtype=np.float32)
    parameters = [("a", array), ("b", array.reshape(2, 3))]
    changed = array.copy()
    changed.view(np.uint32)[3] ^= 1
    others = [
        [("a", array), ("c", array.reshape(2, 3))],
        [("a", array), ("b", array.reshape(3, 2))],
        [("a", changed), ("b", array.reshape(2, 3))],
        [("a", array)],
    ]
    assert fingerprint(parameters) == fingerprint(reversed(parameters))
    assert len({fingerprint(parameters), *(fingerprint(other) for other in others)}) == 5


def test_the_fingerprint_sees_values_not_memory_layout():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert fingerprint([("a", np.asfortranarray(array))]) == fingerprint([("a", array.astype(">f4"))])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_two_loads_of_a_checkpoint_have_one_fingerprint(tiny_model, architecture):
    first, second = (load_encoder(tiny_model(architecture)).base() for _ in range(2))
    assert first == second
    assert first.parameters == sum(array.size for _, array in load_encoder(tiny_model(architecture)).arrays())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_longest_text_that_an_encoder_takes_is_taken(tiny_model, architecture):
    encoder = load_encoder(tiny_model(architecture))
    tokens = encoder.tokenize(["red " * 99, "red"])
    pooled, hidden = encoder(**tokens)
    assert hidden.shape == (2, encoder.max_length, encoder.width)
    assert pooled.shape == (2, encoder.width)


def test_positions_that_begin_after_the_padding_index_are_not_counted(tiny_model):
    lengths = {name: load_encoder(tiny_model(name)).max_length for name in ("bert", "roberta", "mpnet")}
    assert lengths == {"bert": 64, "roberta": 63, "mpnet": 62}  # the padding index is 0, and 1 in MPNet


def test_a_layer_that_is_used_many_times_is_counted_once(tiny_model):
    encoder = load_encoder(tiny_model("albert"))
    arrays = dict(encoder.arrays())
    layer = "encoder.albert_layer_groups.0.albert_layers.0."
    assert encoder.model.config.num_hidden_layers == 2
    assert {name for name in arrays if "albert_layers" in name and not name.startswith(layer)} == set()
    assert encoder.base().parameters == sum(p.numel() for p in encoder.model.parameters())
    assert arrays["embeddings.word_embeddings.weight"].shape[1] == 16
    assert encoder.base().width == encoder.width == 32


def test_an_architecture_without_a_pooler_or_token_types_has_neither(tiny_model):
    encoder = load_encoder(tiny_model("deberta-v2"))
    assert encoder.pooled == "first_token"
    assert encoder.inputs == ("input_ids", "attention_mask")
    assert load_encoder(tiny_model("mpnet")).inputs == encoder.inputs


def test_the_dropout_before_a_head_is_the_architectures_own(tiny_model):
    encoder = load_encoder(tiny_model("albert"))
    assert (encoder.dropout, encoder.model.config.hidden_dropout_prob) == (0.1, 0.0)
    assert load_encoder(tiny_model("bert")).dropout == 0.1
    assert load_encoder(tiny_model("distilbert")).dropout == 0.2  # 0.1 in its layers


def test_a_dropout_before_the_head_alone_is_the_checkpoints_own(tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model("bert"), tmp_path / "bert")
    config = json.loads((folder / "config.json").read_text()) | {"classifier_dropout": 0.3}
    (folder / "config.json").write_text(json.dumps(config))
    assert load_encoder(folder).dropout == 0.3


def test_a_pooler_that_the_checkpoint_brings_is_part_of_the_base(tiny_model):
    encoder = load_encoder(tiny_model("bert"))
    assert encoder.pooled == "pooler"
    assert "pooler.dense.weight" in dict(encoder.arrays())


def test_a_pooler_that_the_checkpoint_lacks_is_not_made_up(tiny_model, tmp_path):
    folder = tmp_path / "no-pooler"
    model = transformers.BertModel.from_pretrained(tiny_model("bert"), add_pooling_layer=False)
    model.save_pretrained(folder)
    load_encoder(tiny_model("bert")).tokenizer.save_pretrained(folder)
    encoder = load_encoder(folder)
    assert encoder.pooled == "first_token"
    assert not [name for name, _ in encoder.arrays() if "pooler" in name]
    tokens = torch.ones(1, 4, dtype=torch.long)
    pooled, hidden = encoder(tokens, tokens)
    assert torch.equal(pooled, hidden[:, 0])


def test_a_checkpoint_without_some_weights_is_refused(tiny_model, tmp_path):
    model = transformers.BertModel.from_pretrained(tiny_model("bert"))
    state = {name: tensor for name, tensor in model.state_dict().items() if "layer.1" not in name}
    model.save_pretrained(tmp_path, state_dict=state)
    load_encoder(tiny_model("bert")).tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"lacks \d+ parameters of its encoder, encoder.layer.1"):
        load_encoder(tmp_path)


def _copy(model, folder, *gone):
    shutil.copytree(model, folder)
    for name in gone:
        (folder / name).unlink()
    return folder


def _set(file, **fields):
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_tokenizer_that_transformers_makes_up_is_refused(architecture, tiny_model, tmp_path):
    folder = _copy(tiny_model(architecture), tmp_path / "copy", "tokenizer.json", "tokenizer_config.json")
    message = r"tokenizer of no more than 5 special tokens: save the model's own into the folder too$"
    with pytest.raises(ModelError, match=message):
        load_encoder(folder)


def test_a_tokenizer_of_more_tokens_than_embeddings_is_refused(tiny_model, tmp_path):
    folder = _copy(tiny_model("bert"), tmp_path / "copy")
    tokenizer = load_encoder(folder).tokenizer
    tokens = len(tokenizer)
    tokenizer.add_tokens(["elephant"])
    tokenizer.save_pretrained(folder)
    message = f"has a tokenizer with tokens up to {tokens} over {tokens} embeddings: save the model's own"
    with pytest.raises(ModelError, match=message):
        load_encoder(folder)


def test_embeddings_may_be_more_than_tokens(tiny_model, tmp_path):
    folder = _copy(tiny_model("bert"), tmp_path / "copy")
    model = transformers.BertModel.from_pretrained(folder)
    model.resize_token_embeddings(model.config.vocab_size, pad_to_multiple_of=64)
    model.save_pretrained(folder)
    encoder = load_encoder(folder)
    assert encoder.model.config.vocab_size == 128 > len(encoder.tokenizer)


def test_a_tokenizer_without_a_padding_token_is_refused(tiny_model, tmp_path):
    folder = _copy(tiny_model("bert"), tmp_path / "copy")
    _set(folder / "tokenizer_config.json", pad_token=None)
    with pytest.raises(ModelError, match="without a padding token: set its pad_token and save it again"):
        load_encoder(folder)


def test_weights_of_other_sizes_than_the_configurations_are_refused_by_name(tiny_model, tmp_path):
    folder = _copy(tiny_model("bert"), tmp_path / "copy")
    _set(folder / "config.json", intermediate_size=128)
    name = "parameter encoder.layer.0.intermediate.dense.bias has shape"
    with pytest.raises(ModelError, match=rf"{name} \(64,\), by config.json it has \(128,\)$"):
        load_encoder(folder)


@pytest.mark.parametrize(
    ("file", "content", "part"),
    [
        ("model.safetensors", b"12345678", r"weights\): Error while deserializing header"),
        ("model.safetensors", None, r"weights\): "),
        ("pytorch_model.bin", b"", r"weights\): EOFError\(\)"),
        ("pytorch_model.bin", b"junk", r"weights\): "),
        ("tokenizer.json", b"{}", r"tokenizer\): KeyError\('added_tokens'\)"),
        ("tokenizer.json", b"[]", r"tokenizer\): "),
        ("tokenizer.json", None, r"tokenizer\): "),
        ("tokenizer_config.json", b"[]", r"tokenizer\): "),
        ("config.json", b"[]", r"configuration\): "),
        ("config.json", b'{"model_type": "bert", "hidden_size": "a"}', r"configuration\): "),
    ],
)
def test_a_damaged_file_is_refused_in_one_sentence(file, content, part, tiny_model, tmp_path):
    """None: the file as it was, but for its second half."""
    folder = _copy(tiny_model("bert"), tmp_path / "copy")
    if content is None:
        content = (folder / file).read_bytes()
        content = content[: len(content) // 2]
    if file == "pytorch_model.bin":
        (folder / "model.safetensors").unlink()
    (folder / file).write_bytes(content)
    with pytest.raises(ModelError, match=rf"^{folder} cannot be loaded as .* \({part}.*$") as refused:
        load_encoder(folder)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("shown", [True, False])
def test_a_load_leaves_progress_bars_and_log_level_as_they_were(shown, tiny_model):
    log, before = transformers.logging, transformers.logging.is_progress_bar_enabled()
    switch = {True: log.enable_progress_bar, False: log.disable_progress_bar}
    switch[shown]()
    level = log.get_verbosity()
    load_encoder(tiny_model("bert"))
    assert (log.is_progress_bar_enabled(), log.get_verbosity()) == (shown, level)
    switch[before]()


def test_an_unsupported_architecture_is_refused_by_name(tmp_path):
    transformers.GPT2Config(n_layer=1, n_embd=8, n_head=1).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="architecture 'gpt2'; supported are albert, bert"):
        load_encoder(tmp_path)


def test_a_name_that_means_nothing_is_refused():
    with pytest.raises(ModelError, match=r"no-such-model cannot be loaded"):
        load_encoder("no-such-model")
