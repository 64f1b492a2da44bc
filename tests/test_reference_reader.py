"""Two readers, one written from the document alone: they agree on random diffs."""

import numpy as np
import pytest
import reference_reader

from edgediff import Base, Diff, Head, Product, Task, TensorDiff, dumps, loads
from edgediff.diff import Kind
from edgediff.pack import quantise

DIFFS = 300


def random_diff(seed: int) -> Diff:
    """A packed diff of up to four tensors, each changed evenly, in some rows and columns, or as a whole.

    Half of the diffs have products, of some of the tensors.
    """
    generator = np.random.default_rng(seed)
    tensors, products = [], []
    for number in range(generator.integers(0, 5)):
        shape = tuple(int(n) for n in generator.integers(1, 40, generator.integers(1, 4)))
        rows, columns = (
            shape[0] if len(shape) > 1 else 1,
            int(np.prod(shape[1:] if len(shape) > 1 else shape)),
        )
        of_rows = generator.choice([0.0, 0.02, 0.5, 1.0], rows)
        of_columns = generator.choice([0.0, 0.1, 0.9, 1.0], columns)
        indices = np.flatnonzero(generator.random((rows, columns)) < np.outer(of_rows, of_columns))
        if seed % 2 and generator.random() < 0.7:
            rank = int(generator.integers(1, 4))
            left, right = generator.normal(size=(rows, rank)), generator.normal(size=(rank, columns))
            factors = left.astype(np.float32), right.astype(np.float32)
            products.append(Product(f"tensor.{number}", shape, *factors))
        if len(indices):
            values = generator.normal(size=len(indices)).astype(np.float32)
            tensors.append(TensorDiff(f"tensor.{number}", shape, indices, values))
    width, labels = int(generator.integers(1, 9)), int(generator.integers(2, 6))
    scale = 10.0 ** generator.integers(-6, 4)
    weight = (generator.normal(size=(labels, width)) * scale).astype(np.float32)
    head = Head(weight, generator.normal(size=labels).astype(np.float32))
    task = Task(f"t{seed}", Kind.CLASSIFICATION, "text", labels=tuple(str(label) for label in range(labels)))
    base = Base("b", f"{seed:064x}", 1_000_000, width)
    exact = Diff(base, task, tuple(tensors), head, products=tuple(products))
    return quantise(exact, int(generator.integers(2, 9)))


@pytest.mark.parametrize("block", range(10))
def test_both_readers_decode_random_diffs_alike(block):
    for seed in range(block * DIFFS // 10, (block + 1) * DIFFS // 10):
        data = dumps(random_diff(seed))
        found, wanted = reference_reader.read(data), loads(data)
        assert found["levels"] == wanted.levels.tolist()
        assert found["head"]["weight"] == wanted.head.weight.tolist()
        assert found["head"]["bias"] == wanted.head.bias.tolist()
        for got, want in zip(found["tensors"], wanted.tensors, strict=True):
            assert (got["name"], tuple(got["shape"])) == (want.name, want.shape)
            assert got["indices"] == want.indices.tolist()
            assert got["values"] == want.values.tolist()
        for got, want in zip(found.get("products", []), wanted.products, strict=True):
            assert (got["name"], tuple(got["shape"])) == (want.name, want.shape)
            assert (got["left"], got["right"]) == (want.left.tolist(), want.right.tolist())
