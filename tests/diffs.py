"""Made-up tasks over a base bundle: some entries of every parameter, large enough to move the logits."""

import numpy as np

from edgediff.diff import Diff, Head, Kind, Product, Task, TensorDiff
from edgediff.format.bundle import read_manifest
from edgediff.pack import quantise


def made_task(name, **more):
    """A task of two labels."""
    return Task(name, Kind.CLASSIFICATION, "text", **({"labels": ("no", "yes")} | more))


def made_diff(bundle, task, seed=0, entries=30, rank=0):
    """A packed diff of random entries of every parameter, among the first 500, and of products of `rank`."""
    generator = np.random.default_rng(seed)
    base = read_manifest(bundle)
    tensors = []
    for parameter in base.parameters:
        indices = np.unique(generator.integers(0, min(int(np.prod(parameter.shape)), 500), entries))
        values = generator.normal(scale=0.1, size=len(indices)).astype(np.float32)
        tensors.append(TensorDiff(parameter.name, parameter.shape, indices, values))
    weight = generator.normal(size=(task.outputs, base.base.width)).astype(np.float32)
    bias = generator.normal(size=task.outputs).astype(np.float32)
    products = tuple(
        Product(each.name, each.shape, *_factors(generator, each.shape, rank))
        for each in base.parameters
        if rank and each.name.endswith("dense.weight")
    )
    return quantise(Diff(base.base, task, tuple(tensors), Head(weight, bias), products=products))


def _factors(generator, shape, rank):
    sizes = (shape[0], rank), (rank, shape[1])
    return [generator.normal(scale=0.1, size=size).astype(np.float32) for size in sizes]
