"""A fine-tuned model as it would ship without diffs: whole, quantised, or as a difference to its base."""

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import zstandard
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.numpy import load_file

from edgediff.format.bundle import MODEL_FILE, WEIGHTS_FILE, read_manifest, read_parameter

Weights = Mapping[str, NDArray[np.float32]]
"""Parameters by name, in PyTorch's orientation."""

LORA_ALPHA = 2  # times the rank, as `edgediff.train` has it
IA3_SUFFIX = ".ia3_l"
LEVEL = 19


def tuned_weights(bundle: Path, run: Path) -> dict[str, NDArray[np.float32]]:
    """Every parameter that the RUN folder of a dense method changes, merged with the base."""
    return merged_weights(bundle, load_file(run / "weights.safetensors"))


def merged_weights(bundle: Path, trained: Weights) -> dict[str, NDArray[np.float32]]:
    """The parameters that `trained` changes, whole or by adapters, as they then are."""
    stored = np.memmap(bundle / WEIGHTS_FILE, np.uint8, "r")
    base = {entry.name: read_parameter(stored, entry) for entry in read_manifest(bundle).parameters}
    merged = {name: array for name, array in trained.items() if name in base}
    for layer, (a, b) in lora_matrices(trained).items():
        merged[f"{layer}.weight"] = (base[f"{layer}.weight"] + LORA_ALPHA * (b @ a)).astype(np.float32)
    for layer in _layers(trained, ".shira_weight"):
        merged[f"{layer}.weight"] = np.array(base[f"{layer}.weight"])
        rows, columns = trained[f"{layer}.shira_indices"]
        merged[f"{layer}.weight"][rows, columns] += trained[f"{layer}.shira_weight"]
    for layer, factors in ia3_factors(trained).items():
        merged[f"{layer}.weight"] = base[f"{layer}.weight"] * factors
        if len(factors) > 1:
            merged[f"{layer}.bias"] = base[f"{layer}.bias"] * factors[:, 0]
    return merged


def lora_matrices(trained: Weights) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """A `(rank, inputs)` and B `(outputs, rank)` of each adapted layer."""
    layers = _layers(trained, ".lora_A.weight")
    return {layer: (trained[f"{layer}.lora_A.weight"], trained[f"{layer}.lora_B.weight"]) for layer in layers}


def ia3_factors(trained: Weights) -> dict[str, NDArray[np.float32]]:
    """By layer, `(outputs, 1)` of what it gives or `(1, inputs)` of what it takes."""
    return {layer: trained[f"{layer}{IA3_SUFFIX}"] for layer in _layers(trained, IA3_SUFFIX)}


def _layers(trained: Weights, suffix: str) -> list[str]:
    return [name.removesuffix(suffix) for name in trained if name.endswith(suffix)]


def write_whole(bundle: Path, weights: Weights, folder: Path) -> None:
    """A bundle's graph with other weights, in a folder of its own."""
    folder.mkdir()
    stored = np.fromfile(bundle / WEIGHTS_FILE, np.uint8)
    for entry in read_manifest(bundle).parameters:
        if entry.name in weights:
            array = weights[entry.name]
            raw = np.ascontiguousarray(array.T if entry.transposed else array, "<f4").tobytes()
            stored[entry.offset : entry.offset + entry.length] = np.frombuffer(raw, np.uint8)
    stored.tofile(folder / WEIGHTS_FILE)
    shutil.copy(bundle / MODEL_FILE, folder / MODEL_FILE)


def write_int8(whole: Path, path: Path) -> None:
    """An ONNX file with the weights of products and embeddings in int8, quantised by onnxruntime."""
    logging.disable(logging.WARNING)  # a paragraph for each tensor without a known type
    quantize_dynamic(whole, path, weight_type=QuantType.QInt8)
    logging.disable(logging.NOTSET)


def write_zstd_patch(base: Path, tuned: Path, path: Path) -> None:
    """`zstd --patch-from`: weights compressed by long-distance matches with those of the base."""
    parameters = zstandard.ZstdCompressionParameters.from_level(LEVEL, window_log=27, enable_ldm=True)
    compressor = zstandard.ZstdCompressor(compression_params=parameters, dict_data=_dictionary(base))
    path.write_bytes(compressor.compress(tuned.read_bytes()))


def apply_zstd_patch(base: Path, patch: Path, tuned: Path) -> None:
    """The weights that `write_zstd_patch` compressed."""
    decompressor = zstandard.ZstdDecompressor(dict_data=_dictionary(base), max_window_size=2**27)
    tuned.write_bytes(decompressor.decompress(patch.read_bytes()))


def write_fp16_difference(base: Path, tuned: Path, path: Path) -> None:
    """The difference of all weights in float16, compressed with zstd."""
    difference = np.fromfile(tuned, "<f4") - np.fromfile(base, "<f4")
    path.write_bytes(zstandard.ZstdCompressor(level=LEVEL).compress(difference.astype("<f2").tobytes()))


def apply_fp16_difference(base: Path, patch: Path, tuned: Path) -> None:
    """The base's weights and a `write_fp16_difference` added up."""
    difference = np.frombuffer(zstandard.ZstdDecompressor().decompress(patch.read_bytes()), "<f2")
    (np.fromfile(base, "<f4") + difference).tofile(tuned)


def _dictionary(base: Path) -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(base.read_bytes(), dict_type=zstandard.DICT_TYPE_RAWCONTENT)
