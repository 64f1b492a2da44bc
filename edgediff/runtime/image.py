"""The image of a base: an optimised model, its weights in one file, packed for this machine's kernels.

onnxruntime writes it (by the session entries below) and, opening it with optimisation off, maps the file and
uses the packed bytes where they lie. The entries are among onnxruntime's documented configuration keys.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edgediff.errors import BundleError
from edgediff.format.bundle import MODEL_FILE, Manifest, map_weights, read_parameter
from edgediff.runtime.asking import asking
from edgediff.runtime.initializers import Initializer, read_initializers

IMAGE_FILE = "image.bin"
_SMALLEST = 64
"""Bytes of the smallest initializer in the file; shapes are smaller, and have to be in the model."""


class NoImageError(BundleError):
    """There is no image, or a damaged one: it can be built anew."""


class UnsureError(BundleError):
    """An image that cannot be patched in place, however often it is built."""


@dataclass(frozen=True)
class Image:
    """An image in a folder.

    Attributes:
        folder: holds `model.onnx` and `image.bin`.
        initializers: where each lies in `image.bin`, by name.
    """

    folder: Path
    initializers: dict[str, Initializer]

    def floats(self) -> NDArray[np.float32]:
        """All of `image.bin` as float32, mapped."""
        return np.memmap(self.folder / IMAGE_FILE, "<f4", "r")


def build_image(bundle: Path, folder: Path, values: dict[str, NDArray[np.float32]] | None = None) -> Image:
    """Have onnxruntime write the image of `bundle` into the empty `folder`.

    `values` replaces initializers, by name and in the graph's orientation.

    Raises:
        BundleError: onnxruntime cannot open the bundle or write the image.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(folder / MODEL_FILE)
    entries = {
        "session.optimized_model_external_initializers_file_name": IMAGE_FILE,
        "session.optimized_model_external_initializers_min_size_in_bytes": str(_SMALLEST),
        "session.save_external_prepacked_constant_initializers": "1",
    }
    for key, value in entries.items():
        options.add_session_config_entry(key, value)
    arrays = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in (values or {}).values()]
    if values:
        options.add_external_initializers(list(values), arrays)
    with asking(f"make an image of {bundle}"):
        onnxruntime.InferenceSession(bundle / MODEL_FILE, options, providers=["CPUExecutionProvider"])
    return read_image(folder)


def read_image(folder: Path) -> Image:
    """The image in `folder`.

    Raises:
        BundleError: it is missing or cannot be read.
    """
    try:
        model = (folder / MODEL_FILE).read_bytes()
    except OSError as error:
        raise BundleError(f"{folder} holds no image: {error.strerror or error}") from error
    found = {initializer.name: initializer for initializer in read_initializers(model)}
    if not found or not (folder / IMAGE_FILE).is_file():
        raise BundleError(f"{folder} holds no image: its weights are not in {IMAGE_FILE}")
    stretches = [(each.offset, each.length) for each in found.values()]
    stretches += [blob for each in found.values() for blob in each.packed]
    size = (folder / IMAGE_FILE).stat().st_size
    if size < max(offset + length for offset, length in stretches):
        raise BundleError(f"{folder / IMAGE_FILE} ends too early, after {size} bytes: is the disk full?")
    return Image(folder, found)


def base_values(bundle: Path, manifest: Manifest) -> dict[str, NDArray[np.float32]]:
    """Every parameter by name, in PyTorch's orientation, as views of the bundle's mapped weights."""
    weights = map_weights(bundle)
    return {entry.name: read_parameter(weights, entry) for entry in manifest.parameters}
