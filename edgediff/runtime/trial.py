"""The trial that live mode is put to: a made-up diff over every parameter, and a fixed input."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import Diff, Head, Kind, Product, Task, TensorDiff
from edgediff.format.bundle import Manifest
from edgediff.runtime.image import UnsureError
from edgediff.runtime.modes import Mode
from edgediff.runtime.session import head_feeds, run_session

KEY = "trial"
_ENTRIES = 64  # of each parameter
_TOKENS = 7
_GOLDEN = (1 + 5**0.5) / 2
_LEAST_VOCABULARY = 10
_TOLERANCE = 1e-5  # of the largest logit: threads may be others than in the proof


def trial_diff(manifest: Manifest) -> Diff:
    """Some entries of every parameter, changed by about as much as a trained diff changes them."""
    tensors = []
    for entry in manifest.parameters:
        numel = math.prod(entry.shape)
        # Half of them in the first rows, which the trial's tokens look up.
        first = min(numel, _LEAST_VOCABULARY * entry.shape[-1])
        indices = np.array(sorted({*_scattered(first), *_scattered(numel)}))
        tensors.append(TensorDiff(entry.name, entry.shape, indices, 0.1 * _wave(len(indices))))
    width = manifest.base.width
    head = Head(_wave(2 * width).reshape(2, width), np.zeros(2, np.float32))
    task = Task(KEY, Kind.CLASSIFICATION, "text", labels=("no", "yes"))
    return Diff(manifest.base, task, tuple(tensors), head)


def with_product(manifest: Manifest, diff: Diff) -> Diff:
    """The trial's diff with a product, of rank 1, for a matrix as kernels pack them, if the base has one."""
    matrix = next((entry for entry in manifest.parameters if entry.transposed), None)
    if matrix is None:
        return diff
    rows, columns = matrix.shape
    product = Product(matrix.name, matrix.shape, 0.1 * _wave(rows)[:, None], 0.1 * _wave(columns)[None])
    return replace(diff, products=(product,))


def _scattered(end: int) -> list[int]:
    """Numbers from 0 to `end`, spread evenly and in no step with rows: multiples of the golden ratio."""
    # Not random ones: numpy's generators cost a cold start more than all else in the trial.
    return [int(number * _GOLDEN % 1 * end) for number in range(_ENTRIES // 2)]


def _wave(length: int) -> NDArray[np.float32]:
    return np.sin(np.arange(1, length + 1, dtype=np.float32))


def trial_logits(mode: Mode, manifest: Manifest, diff: Diff) -> NDArray[np.float32]:
    """The logits of a fixed input, `(1, 2)`, as the mode's session is now."""
    # Low token numbers are in every vocabulary.
    tokens = 3 * np.arange(_TOKENS).reshape(1, _TOKENS) % _LEAST_VOCABULARY
    feeds = {
        name: tokens if name == "input_ids" else np.full_like(tokens, name == "attention_mask")
        for name in manifest.inputs
    }
    return run_session(mode.session, diff.task, feeds, head_feeds(diff))


def compare(found: NDArray[np.float32], wanted: NDArray[np.float32], what: str, exact: bool) -> None:
    """Check one answer of the trial.

    Raises:
        UnsureError: it is another one.
    """
    close = np.abs(found - wanted).max() <= _TOLERANCE * np.abs(wanted).max()
    if not (np.array_equal(found, wanted) if exact else close):
        raise UnsureError(f"the live session's {what} logits are not those of an ordinary one")
