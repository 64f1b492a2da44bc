"""Made-up tasks: the same bytes for the same numbers, on any machine."""

from pathlib import Path

import numpy as np

from edgediff.diff import Diff, Head, Kind, Task, TensorDiff
from edgediff.format import write_dpf
from edgediff.format.bundle import read_manifest
from edgediff.pack import quantise


def made_task(bundle: Path, number: int, folder: Path, density: float) -> Path:
    """The file of a task whose diff touches every parameter of `bundle`, at random."""
    generator = np.random.default_rng(number)
    manifest = read_manifest(bundle)
    tensors = []
    for entry in manifest.parameters:
        numel = int(np.prod(entry.shape))
        indices = np.unique(generator.integers(0, numel, max(int(density * numel), 1)))
        values = generator.normal(scale=0.05, size=len(indices)).astype(np.float32)
        tensors.append(TensorDiff(entry.name, entry.shape, indices, values))
    head = Head(generator.normal(size=(2, manifest.base.width)).astype(np.float32), np.zeros(2, np.float32))
    task = Task(f"task{number}", Kind.CLASSIFICATION, "text", labels=("no", "yes"))
    path = folder / f"{task.name}.dpf"
    write_dpf(path, quantise(Diff(manifest.base, task, tuple(tensors), head)))
    return path
