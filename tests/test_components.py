"""Which parameters may change: the components asked for, less what is excluded."""

from dataclasses import replace

import pytest
from conftest import ARCHITECTURES, QUICK, quick, train_on

from edgediff.encoder import load_encoder
from edgediff.errors import SettingError
from edgediff.format import read_run
from edgediff.train import Component, Method, Settings
from edgediff.train.components import component_of

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
    train_on(tiny_model("bert"), tmp_path / "run", tiny_task, settings, rows=64)
    diff = read_run(tmp_path / "run")
    assert diff.nnz == round(0.005 * diff.base.parameters)
    assert {component_of(tensor.name) for tensor in diff.tensors} == {component}


@pytest.mark.parametrize("method", ["structured", "magnitude", "random", "bitfit"])
def test_what_is_excluded_stays(method, tiny_model, tiny_task, tmp_path):
    settings = quick(Method(method), exclude=("embeddings.*", "encoder.layer.0.*"))
    train_on(tiny_model("bert"), tmp_path / "run", tiny_task, settings, rows=64)
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
        train_on(tiny_model("bert"), tmp_path / "run", tiny_task, settings)
    assert list(tmp_path.iterdir()) == []


def test_an_architecture_whose_layers_ia3_does_not_know_is_refused(tiny_model, tiny_task, tmp_path):
    with pytest.raises(
        SettingError, match=r"which layers of the architecture mpnet it rescales; it does for .*bert,"
    ):
        train_on(tiny_model("mpnet"), tmp_path / "run", tiny_task, Settings(method=Method.IA3))
    assert list(tmp_path.iterdir()) == []
