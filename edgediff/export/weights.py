"""Every parameter's place in the graph: proven by value, then laid out in one file that a device can map."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from edgediff.errors import ModelError
from edgediff.export.graph import PREFIX
from edgediff.format.bundle import WEIGHTS_FILE, Parameter

ALIGNMENT = 4096
"""Every parameter begins on a page of its own, so that a device can map and patch it alone."""


@dataclass(frozen=True)
class Place:
    """A parameter's initializer, and whether the graph holds it transposed."""

    initializer: str
    transposed: bool


def turn_weights(model: onnx.ModelProto) -> set[str]:
    """Store each weight that the graph only ever transposes in the transposed form; give their names.

    A runtime would fold those transposes at load and keep the folded copy, out of reach of a patch. A weight
    that several layers share is transposed once for each.
    """
    graph = model.graph
    uses = Counter(name for node in graph.node for name in node.input)
    turns = Counter(node.input[0] for node in graph.node if node.op_type == "Transpose")
    weights = {
        tensor.name: tensor
        for tensor in graph.initializer
        if len(tensor.dims) == 2 and 0 < uses[tensor.name] == turns[tensor.name]
    }
    for tensor in weights.values():
        array = np.ascontiguousarray(numpy_helper.to_array(tensor).T)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    turned = {}
    for node in list(graph.node):
        if node.op_type == "Transpose" and node.input[0] in weights:
            turned[node.output[0]] = node.input[0]
            graph.node.remove(node)
    for node in graph.node:
        for position, name in enumerate(node.input):
            if name in turned:
                node.input[position] = turned[name]
    return set(weights)


def place_parameters(
    model: onnx.ModelProto, parameters: list[tuple[str, NDArray[np.float32]]], turned: set[str]
) -> dict[str, Place]:
    """Find every parameter in exactly one initializer: by name, and by every one of its values.

    Raises:
        ModelError: an initializer is missing, differs, or holds a second parameter's values under one name.
    """
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    places = {}
    for name, array in parameters:
        found = initializers.get(PREFIX + name)
        if found is None:
            raise ModelError(f"the exported graph has no initializer for parameter {name!r}")
        stored = numpy_helper.to_array(found)
        transposed = found.name in turned
        if not _same_bytes(stored.T if transposed else stored, array):
            raise ModelError(f"initializer {found.name!r} does not hold the values of parameter {name!r}")
        places[name] = Place(found.name, transposed)
    copies = _copies(model, parameters, {place.initializer for place in places.values()})
    if copies:
        raise ModelError(
            f"initializer {copies[0]!r} repeats the values of a parameter: a patch would miss it"
        )
    return places


def equal_groups(parameters: list[tuple[str, NDArray[np.float32]]]) -> tuple[tuple[str, ...], ...]:
    """Groups of parameters with the same shape and the same bytes, each group and all groups sorted."""
    groups = defaultdict(list)
    for name, array in parameters:
        groups[array.shape, array.tobytes()].append(name)
    return tuple(sorted(tuple(sorted(names)) for names in groups.values() if len(names) > 1))


def write_weights(
    model: onnx.ModelProto,
    places: dict[str, Place],
    parameters: list[tuple[str, NDArray[np.float32]]],
    folder: Path,
) -> tuple[Parameter, ...]:
    """Move all parameters from the graph into `weights.bin`; give each one's byte range."""
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    entries = []
    with (folder / WEIGHTS_FILE).open("wb") as file:
        for name, array in parameters:
            place = places[name]
            tensor = initializers[place.initializer]
            content = numpy_helper.to_array(tensor).astype("<f4").tobytes()
            offset = -(-file.tell() // ALIGNMENT) * ALIGNMENT
            file.write(bytes(offset - file.tell()))
            file.write(content)
            _point_outside(tensor, offset, len(content))
            entries.append(
                Parameter(name, array.shape, place.initializer, place.transposed, offset, len(content))
            )
    return tuple(entries)


def _point_outside(tensor: onnx.TensorProto, offset: int, length: int) -> None:
    """Replace a tensor's content by its place in `weights.bin` (ONNX, External Data)."""
    tensor.ClearField("raw_data")
    del tensor.external_data[:]
    for key, value in (("location", WEIGHTS_FILE), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
    tensor.data_location = onnx.TensorProto.EXTERNAL


def _copies(
    model: onnx.ModelProto, parameters: list[tuple[str, NDArray[np.float32]]], placed: set[str]
) -> list[str]:
    """Initializers beside the parameters' own that hold a parameter's values (matrices and larger only).

    A short constant can equal a small vector by chance; a copy of a matrix cannot.
    """
    contents = {array.tobytes() for _, array in parameters if array.ndim > 1 and array.any()}
    others = (tensor for tensor in model.graph.initializer if tensor.name not in placed)
    return [tensor.name for tensor in others if numpy_helper.to_array(tensor).tobytes() in contents]


def _same_bytes(first: NDArray[np.float32], second: NDArray[np.float32]) -> bool:
    """Whether two arrays agree in shape and in every bit (so that -0.0 and NaN count)."""
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    return np.array_equal(
        np.ascontiguousarray(first).view(np.uint32), np.ascontiguousarray(second).view(np.uint32)
    )
