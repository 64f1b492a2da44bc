"""Adapters as onnxruntime has them: a graph with places for them, and `.onnx_adapter` files to fill these."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from benchmarks.peers.whole import LORA_ALPHA
from edgediff.format.bundle import MODEL_FILE, WEIGHTS_FILE, read_manifest

Values = dict[str, NDArray[np.float32]]
"""What fills the places of a graph, by their names."""
Matrices = Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]
"""A `(rank, inputs)` and B `(outputs, rank)` by layer."""
Factors = Mapping[str, NDArray[np.float32]]
"""IA3's by layer: `(outputs, 1)` of what it gives, or `(1, inputs)` of what it takes."""


def write_lora_graph(bundle: Path, matrices: Matrices, folder: Path) -> None:
    """The bundle's graph with a branch `(x A) B` beside each product, without an adapter of no effect."""
    layer_of = {f"{layer}.weight": layer for layer in matrices}

    def branched(node: NodeProto, parameter: str) -> list[NodeProto]:
        layer = layer_of[parameter]
        result = node.output[0]
        node.output[0] = f"{result}_plain"
        return [
            node,
            helper.make_node("MatMul", [node.input[0], f"{layer}.A"], [f"{layer}.xA"]),
            helper.make_node("MatMul", [f"{layer}.xA", f"{layer}.B"], [f"{layer}.xAB"]),
            helper.make_node("Add", [f"{result}_plain", f"{layer}.xAB"], [result]),
        ]

    places = {}
    for layer, (a, b) in matrices.items():
        places[f"{layer}.A"] = (a.shape[1], "rank"), np.zeros((a.shape[1], 0), np.float32)
        places[f"{layer}.B"] = ("rank", len(b)), np.zeros((0, len(b)), np.float32)
    _write_graph(bundle, folder, dict.fromkeys(layer_of, branched), places)


def write_ia3_graph(bundle: Path, factors: Factors, folder: Path) -> None:
    """The bundle's graph with what a layer gives or takes multiplied, by 1 without an adapter."""
    gives = {f"{layer}.bias": layer for layer, own in factors.items() if len(own) > 1}
    takes = {f"{layer}.weight": layer for layer, own in factors.items() if len(own) == 1}

    def rescaled_after(node: NodeProto, parameter: str) -> list[NodeProto]:
        result = node.output[0]
        node.output[0] = f"{result}_plain"
        return [node, helper.make_node("Mul", [f"{result}_plain", _ia3_place(gives[parameter])], [result])]

    def rescaled_before(node: NodeProto, parameter: str) -> list[NodeProto]:
        layer, taken = takes[parameter], node.input[0]
        node.input[0] = f"{layer}.rescaled"
        return [helper.make_node("Mul", [taken, _ia3_place(layer)], [node.input[0]]), node]

    changes = dict.fromkeys(gives, rescaled_after) | dict.fromkeys(takes, rescaled_before)
    places = {name: (array.shape, np.ones_like(array)) for name, array in ia3_values(factors).items()}
    _write_graph(bundle, folder, changes, places)


def lora_values(matrices: Matrices) -> Values:
    """What fills the places of `write_lora_graph`, scaled."""
    values = {}
    for layer, (a, b) in matrices.items():
        values[f"{layer}.A"] = np.ascontiguousarray(a.T)
        values[f"{layer}.B"] = np.ascontiguousarray(LORA_ALPHA * b.T)
    return values


def ia3_values(factors: Factors) -> Values:
    """What fills the places of `write_ia3_graph`."""
    return {_ia3_place(layer): own.reshape(-1) for layer, own in factors.items()}


def write_adapter(values: Values, path: Path) -> None:
    """An `.onnx_adapter` file."""
    adapter = onnxruntime.AdapterFormat()
    adapter.set_adapter_version(1)
    adapter.set_model_version(1)
    adapter.set_parameters(
        {name: onnxruntime.OrtValue.ortvalue_from_numpy(array) for name, array in values.items()}
    )
    adapter.export_adapter(str(path))


def active_adapter(path: Path) -> tuple[onnxruntime.RunOptions, onnxruntime.LoraAdapter]:
    """The options of runs that use the adapter; keep the adapter for as long as they are used."""
    adapter = onnxruntime.LoraAdapter()
    adapter.Load(str(path))
    options = onnxruntime.RunOptions()
    options.add_active_adapter(adapter)
    return options, adapter


def _ia3_place(layer: str) -> str:
    return f"{layer}.factors"


def _write_graph(
    bundle: Path,
    folder: Path,
    changes: Mapping[str, Callable[[NodeProto, str], list[NodeProto]]],
    places: Mapping[str, tuple[tuple[int | str, ...], NDArray[np.float32]]],
) -> None:
    """The bundle's graph, where the nodes that read certain parameters give way to others.

    Each place, of a shape, is a graph input with a default, as onnxruntime's adapters ask for.
    """
    folder.mkdir()
    model = onnx.load(bundle / MODEL_FILE, load_external_data=False)
    changed = {
        entry.initializer: entry.name for entry in read_manifest(bundle).parameters if entry.name in changes
    }
    nodes: list[NodeProto] = []
    for node in model.graph.node:
        parameter = next((changed[name] for name in node.input if name in changed), None)
        nodes += [node] if parameter is None else changes[parameter](node, parameter)
    for name, (shape, default) in places.items():
        model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        model.graph.initializer.append(numpy_helper.from_array(default, name))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, folder / MODEL_FILE)
    (folder / WEIGHTS_FILE).hardlink_to(bundle / WEIGHTS_FILE)
