"""Adapters of LoRA and IA3 in fewer bits, as one would ship them, and what they score then.

Adapters come from training in float32, and nobody ships them so. Each array (IA3's factors less the 1 that
they begin at) is rounded to the nearest of evenly spaced levels, 64 neighbours sharing a scale in float16, as
the usual libraries do for weights; the head ships in float16. Bytes are those of the numbers alone, without a
container.

LoRA's products are a diff as they are: they are packed as one too, and scored from the file.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from benchmarks.peers.sessions import head_inputs, session_of
from benchmarks.peers.whole import (
    IA3_SUFFIX,
    LORA_ALPHA,
    Weights,
    lora_matrices,
    merged_weights,
    write_whole,
)
from benchmarks.scoring import score_of
from edgediff.diff import Base, Diff, Head, Product, Task
from edgediff.format import write_dpf
from edgediff.format.bundle import MODEL_FILE, read_manifest
from edgediff.pack import quantise
from edgediff.runtime import eval

BITS = (16, 8, 4)
GROUP = 64
PACKED_BITS = (6, 5, 4)
"""Of a factor's number in the packed file, once it is entropy-coded."""


def shipped(run: Path, bundle: Path, task: Task, dev: Path) -> list[dict[str, Any]]:
    """`bits`, `bytes` and `score` of the adapters of a RUN folder, merged and on onnxruntime."""
    trained = load_file(run / "weights.safetensors")
    adapters = [name for name in trained if not name.startswith("head.")]
    head = sum(2 * array.size for name, array in trained.items() if name.startswith("head."))
    return [
        {
            "bits": bits,
            "bytes": head + sum(shipped_bytes(trained[name], bits) for name in adapters),
            "score": _score(_with_rounded(trained, adapters, bits), bundle, task, dev),
        }
        for bits in BITS
    ]


def packed(run: Path, bundle: Path, task: Task, dev: Path) -> list[dict[str, Any]]:
    """The same of the LoRA adapters of a RUN folder as a diff, packed."""
    diff = as_diff(load_file(run / "weights.safetensors"), read_manifest(bundle).base, task)
    forms = []
    for bits in PACKED_BITS:
        path = run / f"{bits}-bits.dpf"
        write_dpf(path, quantise(diff, bits))
        score = eval(bundle, path, dev).score
        forms.append({"bits": bits, "bytes": path.stat().st_size, "score": score, "packed": True})
    return forms


def as_diff(trained: Weights, base: Base, task: Task) -> Diff:
    """LoRA adapters with their head as a diff of products."""
    products = tuple(
        Product(f"{layer}.weight", (len(b), a.shape[1]), LORA_ALPHA * b, a)
        for layer, (a, b) in sorted(lora_matrices(trained).items())
    )
    return Diff(base, task, (), Head(trained["head.weight"], trained["head.bias"]), products=products)


def _with_rounded(trained: Weights, adapters: list[str], bits: int) -> Weights:
    start = {name: float(name.endswith(IA3_SUFFIX)) for name in adapters}
    return {
        **trained,
        **{name: start[name] + rounded(trained[name] - start[name], bits) for name in adapters},
    }


def _score(trained: Weights, bundle: Path, task: Task, dev: Path) -> float:
    with tempfile.TemporaryDirectory() as scratch:
        write_whole(bundle, merged_weights(bundle, trained), Path(scratch) / "merged")
        session, head = session_of(Path(scratch) / "merged" / MODEL_FILE), head_inputs(bundle, trained)
        return score_of(lambda feeds: np.asarray(session.run(["logits"], feeds | head)[0]), bundle, task, dev)


def rounded(array: NDArray[np.float32], bits: int) -> NDArray[np.float32]:
    """To the nearest level, and back."""
    if bits == 16:
        return array.astype(np.float16).astype(np.float32)
    flat = array.reshape(-1)
    groups = np.pad(flat, (0, -len(flat) % GROUP)).reshape(-1, GROUP)
    largest = 2 ** (bits - 1) - 1
    scale = (np.abs(groups).max(1, keepdims=True) / largest).astype(np.float16).astype(np.float32)
    codes = np.rint(groups / np.maximum(scale, np.finfo(np.float32).tiny)).clip(-largest, largest)
    return np.asarray((codes * scale).reshape(-1)[: len(flat)].reshape(array.shape))


def shipped_bytes(array: NDArray[np.float32], bits: int) -> int:
    """Of an adapter's matrix: its codes and scales."""
    scales = 0 if bits == 16 else 2 * -(-array.size // GROUP)
    return -(-array.size * bits // 8) + scales
