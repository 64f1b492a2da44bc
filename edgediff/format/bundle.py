"""The manifest of a base bundle, `base.json`: what the exporter states and the runtime relies on."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import Base, fingerprint
from edgediff.errors import BundleError

FORMAT_VERSION = 1
MANIFEST_FILE = "base.json"
MODEL_FILE = "model.onnx"
WEIGHTS_FILE = "weights.bin"
TOKENIZER_FILE = "tokenizer.json"


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
        manifest = _from_dict(plain)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{path} is no manifest that can be read: {error}") from error
    for name, entry in manifest.files.items():
        size = (bundle / name).stat().st_size if (bundle / name).is_file() else None
        if size != entry.bytes:
            found = "is missing" if size is None else f"has {size} bytes"
            raise BundleError(
                f"{bundle / name} {found}, the manifest states {entry.bytes} bytes: export it again"
            )
    return manifest


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
    weights = np.memmap(Path(bundle) / WEIGHTS_FILE, np.uint8, "r")
    return fingerprint((entry.name, read_parameter(weights, entry)) for entry in manifest.parameters)


def _from_dict(plain: dict[str, Any]) -> Manifest:
    return Manifest(
        base=Base(**plain.pop("base")),
        parameters=tuple(
            Parameter(**(entry | {"shape": tuple(entry["shape"])})) for entry in plain.pop("parameters")
        ),
        files={name: FileEntry(**entry) for name, entry in plain.pop("files").items()},
        inputs=tuple(plain.pop("inputs")),
        equal=tuple(tuple(group) for group in plain.pop("equal")),
        tied=tuple(tuple(group) for group in plain.pop("tied")),
        **plain,
    )
