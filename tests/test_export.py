import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from conftest import ARCHITECTURES

from edgediff.encoder import load_encoder
from edgediff.errors import BundleError, ModelError, OutputError
from edgediff.export import export
from edgediff.export.graph import PREFIX, TaskGraph, trace_graph
from edgediff.export.verify import SENTENCES, verify_outputs
from edgediff.export.weights import place_parameters, turn_weights
from edgediff.format.bundle import bundle_fingerprint, read_manifest, read_parameter


@pytest.fixture(scope="module", params=ARCHITECTURES)
def exported(request, tiny_model, tmp_path_factory):
    model = tiny_model(request.param)
    folder = tmp_path_factory.mktemp(request.param) / "base"
    return load_encoder(model), export(model, folder), folder


def _outputs(encoder, folder, heads, texts=SENTENCES):
    tokens = {name: tensor.numpy() for name, tensor in encoder.tokenize(texts).items()}
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        wanted = TaskGraph(encoder)(*(torch.from_numpy(a) for a in (*tokens.values(), *heads.values())))
    return session.run(["logits", "token_logits"], tokens | heads), [tensor.numpy() for tensor in wanted]


def _heads(width, labels, token_labels):
    generator = np.random.default_rng(0)
    shapes = {"head": labels, "token_head": token_labels}
    heads = {}
    for name, count in shapes.items():
        heads[f"{name}.weight"] = generator.normal(size=(count, width)).astype(np.float32)
        heads[f"{name}.bias"] = generator.normal(size=count).astype(np.float32)
    return heads


def test_the_graph_answers_as_torch_does_on_onnxruntime(exported):
    encoder, _, folder = exported
    found, wanted = _outputs(encoder, folder, _heads(encoder.width, 3, 2))
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got, want, atol=1e-4)


@pytest.mark.parametrize(
    "texts", [[""], ["red"], ["lamp " * 99], ["one two", "three " * 99, ""], ["a b"] * 9]
)
def test_the_graph_takes_any_batch_size_and_length(exported, texts):
    encoder, _, folder = exported
    found, wanted = _outputs(encoder, folder, _heads(encoder.width, 3, 2), texts)
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got, want, atol=1e-4)


def test_a_head_with_zero_rows_gives_an_empty_output(exported):
    encoder, _, folder = exported
    found, wanted = _outputs(encoder, folder, _heads(encoder.width, 7, 0))
    np.testing.assert_allclose(found[0], wanted[0], atol=1e-4)
    assert found[1].shape == (len(SENTENCES), wanted[1].shape[1], 0)


def test_every_parameter_lies_in_the_bundle_bit_for_bit(exported):
    encoder, manifest, folder = exported
    weights = np.memmap(folder / "weights.bin", np.uint8, "r")
    arrays = dict(encoder.arrays())
    assert [entry.name for entry in manifest.parameters] == sorted(arrays)
    for entry in manifest.parameters:
        stored = read_parameter(weights, entry)
        assert np.array_equal(stored.view(np.uint32), arrays[entry.name].view(np.uint32)), entry.name


def test_the_bundle_and_torch_agree_on_the_fingerprint(exported):
    encoder, manifest, folder = exported
    assert bundle_fingerprint(folder) == encoder.base().fingerprint == manifest.base.fingerprint


def test_all_weights_are_external_and_no_graph_transposes_one(exported):
    _, manifest, folder = exported
    graph = onnx.load(folder / "model.onnx", load_external_data=False).graph
    external = {t.name for t in graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL}
    assert external == {entry.initializer for entry in manifest.parameters}
    transposed = {node.input[0] for node in graph.node if node.op_type == "Transpose"}
    assert not transposed & external


def test_a_weight_that_several_layers_share_is_one_initializer(tiny_model):
    graph = trace_graph(load_encoder(tiny_model("albert")))
    name = f"{PREFIX}encoder.albert_layer_groups.0.albert_layers.0.ffn.weight"
    assert name in turn_weights(graph)
    assert sum(name in node.input for node in graph.graph.node) == 2


def test_the_graph_holds_no_trace_of_the_exporting_machine(exported):
    _, _, folder = exported
    assert b".py" not in (folder / "model.onnx").read_bytes()


def test_equal_parameters_are_reported_and_kept_apart(exported):
    _, manifest, _ = exported
    biases = [name for group in manifest.equal for name in group if name.endswith("bias")]
    assert len(biases) > 4  # a random-weight model has all its biases at zero
    initializers = [entry.initializer for entry in manifest.parameters]
    assert len(set(initializers)) == len(initializers)


def test_the_manifest_read_back_is_the_one_that_was_written(exported):
    _, manifest, folder = exported
    assert read_manifest(folder) == manifest


def test_the_real_base_has_its_own_pooler_and_no_equal_parameters(minilm_base):
    manifest = read_manifest(minilm_base)
    assert (manifest.base.parameters, manifest.base.width, manifest.max_length) == (22_713_216, 384, 512)
    assert manifest.pooled == "pooler"
    assert manifest.equal == manifest.tied == ()
    assert bundle_fingerprint(minilm_base) == load_encoder("minilm").base().fingerprint


def test_an_initializer_that_differs_in_one_bit_is_found_out(tiny_model):
    encoder = load_encoder(tiny_model("bert"))
    graph = trace_graph(encoder)
    turned = turn_weights(graph)
    name, array = encoder.arrays()[5]
    wrong = array.copy()
    wrong.view(np.uint32).reshape(-1)[-1] ^= 1
    with pytest.raises(ModelError, match=f"'{PREFIX}{name}' does not hold the values"):
        place_parameters(graph, [(name, wrong)], turned)


def test_a_copy_of_a_weight_in_the_graph_is_found_out(tiny_model):
    encoder = load_encoder(tiny_model("bert"))
    graph = trace_graph(encoder)
    turned = turn_weights(graph)
    name, array = next(pair for pair in encoder.arrays() if "word_embeddings" in pair[0])
    graph.graph.initializer.append(onnx.numpy_helper.from_array(array, "folded_copy"))
    with pytest.raises(ModelError, match="'folded_copy' repeats the values"):
        place_parameters(graph, [(name, array)], turned)


def test_a_difference_between_far_tokens_alone_is_found_out(tiny_model):
    encoder = load_encoder(tiny_model("deberta-v2"))
    graph = trace_graph(encoder)
    assert verify_outputs(graph, encoder) < 1e-5
    with torch.no_grad():
        encoder.model.encoder.rel_embeddings.weight[79, :16] += 1  # for tokens 60 places apart or more
    with pytest.raises(ModelError, match="is accepted"):
        verify_outputs(graph, encoder)


def test_an_existing_folder_is_left_alone(tiny_model, tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "mine.txt").write_text("kept")
    with pytest.raises(OutputError, match="exists already"):
        export(tiny_model("bert"), tmp_path / "base")
    assert [p.name for p in (tmp_path / "base").iterdir()] == ["mine.txt"]


def test_a_failed_export_leaves_nothing(tmp_path):
    with pytest.raises(ModelError):
        export(tmp_path / "no-model", tmp_path / "base")
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_with_a_shortened_file_is_refused(tiny_base, tmp_path):
    for path in tiny_base.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    size = (tmp_path / "weights.bin").stat().st_size
    with (tmp_path / "weights.bin").open("r+b") as file:
        file.truncate(size - 1)
    with pytest.raises(BundleError, match=rf"weights.bin has {size - 1} bytes, the manifest states {size}"):
        read_manifest(tmp_path)


def test_a_bundle_of_another_version_is_refused(tiny_base, tmp_path):
    plain = json.loads((tiny_base / "base.json").read_text()) | {"format_version": 9}
    (tmp_path / "base.json").write_text(json.dumps(plain))
    with pytest.raises(BundleError, match="format version 9"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format_version": 1}', "\x00"])
def test_a_manifest_that_is_none_is_refused(tmp_path, content):
    (tmp_path / "base.json").write_text(content)
    with pytest.raises(BundleError, match="is no manifest that can be read"):
        read_manifest(tmp_path)


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path):
    with pytest.raises(BundleError, match="is no base bundle"):
        read_manifest(tmp_path)
