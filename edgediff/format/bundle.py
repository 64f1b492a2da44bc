"""The manifest of a base bundle, `base.json`: what the exporter states and the runtime relies on."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import Base, fingerprint
from edgediff.errors import BundleError, FormatError
from edgediff.format.fields import base_of, check_fields, is_shape

FORMAT_VERSION = 1
MANIFEST_FILE = "base.json"
MODEL_FILE = "model.onnx"
WEIGHTS_FILE = "weights.bin"
TOKENIZER_FILE = "tokenizer.json"
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_POOLED = ("pooler", "first_token")
_LEAST = {"max_length": 1, "pad_token_id": 0, "pad_token_type_id": 0}
_FIELDS = {
    "base": dict,
    "model_type": str,
    **dict.fromkeys(_LEAST, int),
    "inputs": list,
    "pooled": str,
    "parameters": list,
    "equal": list,
    "tied": list,
    "files": dict,
}
_PARAMETER_FIELDS = {
    "name": str,
    "shape": list,
    "initializer": str,
    "transposed": bool,
    "offset": int,
    "length": int,
}


@dataclass(frozen=True)
class Parameter:
    """Where one encoder parameter lies.

    Attributes:
        name: as in the encoder's `named_parameters()`.
        shape: in PyTorch's orientation.
        initializer: its name in the graph.
        transposed: whether the graph holds the transpose (of a matrix).
        offset: of its first byte in `weights.bin`.
        length: in bytes; float32, little-endian, row-major.
    """

    name: str
    shape: tuple[int, ...]
    initializer: str
    transposed: bool
    offset: int
    length: int


@dataclass(frozen=True)
class FileEntry:
    """Size and SHA-256 of a file of the bundle."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What `base.json` states.

    Attributes:
        base: name, fingerprint, parameter count and head width.
        model_type: Hugging Face's name of the architecture.
        max_length: the most tokens the encoder takes.
        pad_token_id, pad_token_type_id: what fills a batch's shorter rows.
        inputs: the token inputs of the graph, a part of input_ids, attention_mask, token_type_ids.
        pooled: what `logits` is computed from, "pooler" or "first_token".
        parameters: one entry each, sorted by name.
        equal: groups of parameters that hold equal values, kept apart in the graph.
        tied: groups of names that mean one and the same parameter; the first one is in `parameters`.
        files: the other files of the bundle.
    """

    base: Base
    model_type: str
    max_length: int
    pad_token_id: int
    pad_token_type_id: int
    inputs: tuple[str, ...]
    pooled: str
    parameters: tuple[Parameter, ...]
    equal: tuple[tuple[str, ...], ...]
    tied: tuple[tuple[str, ...], ...]
    files: dict[str, FileEntry]

    def to_dict(self) -> dict[str, Any]:
        """The manifest as plain values."""
        return {"format_version": FORMAT_VERSION} | asdict(self)


def read_manifest(bundle: str | Path) -> Manifest:
    """Read and check `base.json`, and that each file it names has the size it states.

    Raises:
        BundleError: the bundle is missing, of another version, or damaged.
    """
    bundle = Path(bundle)
    path = bundle / MANIFEST_FILE
    if not path.is_file():
        raise BundleError(
            f"{bundle} is no base bundle: it has no {MANIFEST_FILE} (`edgediff export` makes one)"
        )
    try:
        plain = json.loads(path.read_text("utf-8"))
        version = plain.pop("format_version")
        if version != FORMAT_VERSION:
            raise BundleError(f"{path} is of format version {version}, this edgediff knows {FORMAT_VERSION}")
        manifest = _manifest_of(plain)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BundleError(f"{path} is no manifest that can be read: {error}") from error
    for name, entry in manifest.files.items():
        size = (bundle / name).stat().st_size if (bundle / name).is_file() else None
        if size != entry.bytes:
            found = "is missing" if size is None else f"has {size} bytes"
            raise BundleError(
                f"{bundle / name} {found}, the manifest states {entry.bytes} bytes: export it again"
            )
    return manifest


def map_weights(bundle: str | Path) -> NDArray[np.uint8]:
    """The bytes of `weights.bin`, read from the disk as they are used.

    Raises:
        BundleError: they cannot be read.
    """
    path = Path(bundle) / WEIGHTS_FILE
    try:
        return np.memmap(path, np.uint8, "r")
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def read_parameter(weights: NDArray[np.uint8], parameter: Parameter) -> NDArray[np.float32]:
    """A parameter in PyTorch's orientation, as a view of `weights` (the bytes of `weights.bin`)."""
    values = weights[parameter.offset : parameter.offset + parameter.length].view("<f4")
    if parameter.transposed:
        return values.reshape(parameter.shape[::-1]).T
    return values.reshape(parameter.shape)


def bundle_fingerprint(bundle: str | Path) -> str:
    """The base's fingerprint, computed anew from the bytes of `weights.bin`.

    Raises:
        BundleError: as `read_manifest`.
    """
    manifest = read_manifest(bundle)
    weights = map_weights(bundle)
    return fingerprint((entry.name, read_parameter(weights, entry)) for entry in manifest.parameters)


def _manifest_of(plain: Any) -> Manifest:
    check_fields(plain, _FIELDS, "the manifest")
    for name, least in _LEAST.items():
        if plain[name] < least:
            raise FormatError(f"{name} is {plain[name]}, expected {least} or more")
    if plain["pooled"] not in _POOLED:
        raise FormatError(f"pooled is {plain['pooled']!r:.60}, expected one of {', '.join(_POOLED)}")
    inputs = plain["inputs"]
    known = {name for name in _INPUTS if name in inputs}
    if "input_ids" not in known or len(known) < len(inputs):
        raise FormatError(f"inputs is {inputs!r:.80}, expected a part of {', '.join(_INPUTS)}")
    base, files = base_of(plain["base"], "base"), _files(plain["files"])
    return Manifest(
        base=base,
        parameters=_parameters(plain["parameters"], base, files[WEIGHTS_FILE].bytes),
        files=files,
        inputs=tuple(inputs),
        equal=tuple(tuple(group) for group in plain["equal"]),
        tied=tuple(tuple(group) for group in plain["tied"]),
        **{name: plain[name] for name in ("model_type", "pooled", *_LEAST)},
    )


def _files(plain: dict[str, Any]) -> dict[str, FileEntry]:
    for name in (MODEL_FILE, WEIGHTS_FILE, TOKENIZER_FILE):
        if name not in plain:
            raise FormatError(f"files lacks {name}")
    for name, entry in plain.items():
        check_fields(entry, {"bytes": int, "sha256": str}, f"files, {name}")
    return {name: FileEntry(**entry) for name, entry in plain.items()}


def _parameters(rows: list[Any], base: Base, size: int) -> tuple[Parameter, ...]:
    """The parameters in a `weights.bin` of `size` bytes; all of them are the base's."""
    parameters = tuple(_parameter(row, f"parameter {number}", size) for number, row in enumerate(rows))
    names = [parameter.name for parameter in parameters]
    if names != sorted(set(names)):
        raise FormatError("the parameters are not in strictly ascending order of their names")
    if len({parameter.initializer for parameter in parameters}) < len(parameters):
        raise FormatError("two parameters have the same initializer")
    total = sum(math.prod(parameter.shape) for parameter in parameters)
    if total != base.parameters:
        raise FormatError(f"the parameters have {total} numbers, the base {base.parameters}")
    return parameters


def _parameter(row: Any, where: str, size: int) -> Parameter:
    check_fields(row, _PARAMETER_FIELDS, where)
    if not is_shape(row["shape"]):
        raise FormatError(f"{where}: {row['shape']!r:.60} is no shape")
    length = 4 * math.prod(row["shape"])
    if row["length"] != length:
        raise FormatError(f"{where}: length is {row['length']}, its shape has {length} bytes")
    if row["offset"] % 4 or not 0 <= row["offset"] <= size - length:
        raise FormatError(f"{where}: offset is {row['offset']}, and {WEIGHTS_FILE} has {size} bytes")
    if row["transposed"] and len(row["shape"]) != 2:
        raise FormatError(f"{where}: transposed, which only a matrix can be")
    return Parameter(**row | {"shape": tuple(row["shape"])})
