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


def test_an_unsupported_architecture_is_refused_by_name(tmp_path):
    transformers.GPT2Config(n_layer=1, n_embd=8, n_head=1).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="architecture 'gpt2'; supported are bert"):
        load_encoder(tmp_path)


def test_a_name_that_means_nothing_is_refused():
    with pytest.raises(ModelError, match=r"no-such-model cannot be loaded"):
        load_encoder("no-such-model")
