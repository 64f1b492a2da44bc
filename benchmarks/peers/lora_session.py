"""LoRA as onnxruntime has it: a graph with places for adapters, and `.onnx_adapter` files to fill them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from benchmarks.peers.whole import LORA_ALPHA
from edgediff.format.bundle import MODEL_FILE, WEIGHTS_FILE, read_manifest

Matrices = Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]
"""A `(rank, inputs)` and B `(outputs, rank)` by layer."""


def write_lora_graph(bundle: Path, layers: list[str], folder: Path) -> None:
    """The bundle's graph with a branch `(x A) B` beside each product, which without an adapter adds nothing.

    Each A and B is a graph input with an empty default, as onnxruntime's adapters ask for.
    """
    folder.mkdir()
    model = onnx.load(bundle / MODEL_FILE, load_external_data=False)
    layer_of = {
        entry.initializer: entry.name.removesuffix(".weight")
        for entry in read_manifest(bundle).parameters
        if entry.name.removesuffix(".weight") in layers
    }
    shapes = {entry.name.removesuffix(".weight"): entry.shape for entry in read_manifest(bundle).parameters}
    nodes = []
    for node in model.graph.node:
        layer = next((layer_of[name] for name in node.input if name in layer_of), None)
        if layer is None or node.op_type not in ("MatMul", "Gemm"):
            nodes.append(node)
            continue
        outputs, inputs = shapes[layer]
        result = node.output[0]
        node.output[0] = f"{result}_plain"
        nodes += [
            node,
            helper.make_node("MatMul", [node.input[0], f"{layer}.A"], [f"{layer}.xA"]),
            helper.make_node("MatMul", [f"{layer}.xA", f"{layer}.B"], [f"{layer}.xAB"]),
            helper.make_node("Add", [f"{result}_plain", f"{layer}.xAB"], [result]),
        ]
        for name, shape, empty in (
            (f"{layer}.A", (inputs, "rank"), (inputs, 0)),
            (f"{layer}.B", ("rank", outputs), (0, outputs)),
        ):
            model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
            model.graph.initializer.append(numpy_helper.from_array(np.zeros(empty, np.float32), name))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, folder / MODEL_FILE)
    (folder / WEIGHTS_FILE).hardlink_to(bundle / WEIGHTS_FILE)


def write_adapter(matrices: Matrices, path: Path) -> None:
    """An `.onnx_adapter` file of the matrices, scaled."""
    values = {}
    for layer, (a, b) in matrices.items():
        values[f"{layer}.A"] = np.ascontiguousarray(a.T)
        values[f"{layer}.B"] = np.ascontiguousarray(LORA_ALPHA * b.T)
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
