"""Where the initializers of an ONNX file lie in its external data, read without the package onnx.

A device has no use for that package but these few fields, so the protocol buffer is walked directly: wire
format and field numbers are those of https://protobuf.dev/programming-guides/encoding and onnx/onnx.proto.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from edgediff.errors import BundleError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MODEL_GRAPH, _GRAPH_INITIALIZER = 7, 5
_TENSOR_DATA_TYPE, _TENSOR_NAME, _TENSOR_EXTERNAL_DATA = 2, 8, 13
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_LONGEST_VARINT = 10
FLOAT = 1
"""`TensorProto.DataType.FLOAT`."""


@dataclass(frozen=True)
class Initializer:
    """An initializer whose bytes are in the external data.

    Attributes:
        name: in the graph.
        data_type: as `TensorProto.DataType` numbers it.
        offset, length: its bytes in the external data.
        packed: `(offset, length)` of each copy that a kernel keeps in its own order.
    """

    name: str
    data_type: int
    offset: int
    length: int
    packed: tuple[tuple[int, int], ...]


def read_initializers(model: bytes) -> list[Initializer]:
    """The initializers of an ONNX file that lie in external data.

    Raises:
        BundleError: the bytes are no model that can be read.
    """
    try:
        found = [_initializer(tensor) for tensor in _tensors(memoryview(model))]
    except (IndexError, ValueError, KeyError) as error:
        raise BundleError(f"the optimised model cannot be read: {error!r:.80}") from error
    return [initializer for initializer in found if initializer is not None]


def _tensors(model: memoryview) -> Iterator[memoryview]:
    for number, graph in _fields(model):
        if number == _MODEL_GRAPH:
            for inner, value in _fields(graph):
                if inner == _GRAPH_INITIALIZER:
                    yield value


def _initializer(tensor: memoryview) -> Initializer | None:
    name, data_type, external = "", 0, dict[str, str]()
    for number, value in _fields(tensor):
        if number == _TENSOR_NAME:
            name = bytes(value).decode()
        elif number == _TENSOR_DATA_TYPE:
            data_type = _varint(value, 0)[0]
        elif number == _TENSOR_EXTERNAL_DATA:
            entry = {inner: bytes(text).decode() for inner, text in _fields(value)}
            external[entry[_ENTRY_KEY]] = entry[_ENTRY_VALUE]
    if not external:
        return None
    packed = [_packed(value) for key, value in external.items() if key.startswith("prepacked_")]
    blobs = tuple(blob for each in packed for blob in each)
    own = (int(external["offset"]), int(external["length"]))
    if any(number < 0 for stretch in (own, *blobs) for number in stretch):
        raise ValueError(f"initializer {name!r:.80} lies before the file's start")
    return Initializer(name, data_type, *own, blobs)


def _packed(value: str) -> list[tuple[int, int]]:
    """The blobs in onnxruntime's `key|offset;length;flag[|offset;length;flag ...]`."""
    blobs = [blob.split(";") for blob in value.split("|")[1:]]
    return [(int(offset), int(length)) for offset, length, _ in blobs]


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Each field's number and its bytes: of a varint its own, of a length-delimited field the content."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        kind = tag & 7
        if kind == _VARINT:
            end = _varint(message, place)[1]
        elif kind == _BYTES:
            length, place = _varint(message, place)
            end = place + length
        elif kind in (_FIXED64, _FIXED32):
            end = place + (8 if kind == _FIXED64 else 4)
        else:
            raise ValueError(f"wire type {kind}")
        if end > len(message):
            raise ValueError("the message ends too early")
        yield tag >> 3, message[place:end]
        place = end


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for count in range(_LONGEST_VARINT):
        byte = message[place + count]
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return value, place + count + 1
    raise ValueError("a number does not end")
