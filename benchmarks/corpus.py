"""Valid files to break, with sets of all kinds, most in classes that the library would never choose."""

import json
import random
from typing import Any

import numpy as np

from benchmarks.mutators import Parts, join, split
from edgediff import Base, Diff, Head, Product, Task, TensorDiff, dumps
from edgediff.diff import Kind, Metric, as_matrix
from edgediff.format.classes import MAX_CLASSED_AXIS
from edgediff.format.numbers import encode_numbers
from edgediff.format.positions import Plan
from edgediff.format.rice import encode_gaps, gaps_of
from edgediff.pack import quantise

TASKS = (
    Task("a", Kind.CLASSIFICATION, "t", labels=("no", "yes", "\u00fc\U0001f600")),
    Task("b", Kind.REGRESSION, "t", "u", metric=Metric.PEARSON_SPEARMAN),
    Task("c", Kind.TOKEN_CLASSIFICATION, "t", labels=("", "x"), metric=Metric.F1, max_length=65535),
    Task("d", Kind.QUESTION_ANSWERING, "t", label=None, metric=Metric.F1, answers="z"),
)
SHAPES: list[tuple[int, ...]] = [(1,), (300,), (40, 30), (7, 3, 5), (64, 64), (1, 50), (1 << 10, 1 << 12)] * 4
SHAPES += [(1 << 40,), (1 << 20, 1 << 20), (3, 1 << 21)]


def make_corpus(seed: int) -> list[bytes]:
    """Small valid files, the same for a seed."""
    rng = random.Random(seed)  # noqa: S311 (no secret)
    plain = [
        _plain(task, width, bits, products)
        for task in TASKS
        for width in (1, 5)
        for bits in (2, 4, 8)
        for products in (False, True)
    ]
    return plain + [_divided(rng, split(rng.choice(plain))) for _ in range(300)]


def _plain(task: Task, width: int, bits: int, products: bool) -> bytes:
    """The file of a diff over a few tensors, with one changed entry up to all, and products of three."""
    changed = [np.arange(0, 1200, step) for step in (1, 3, 50, 1200)]
    tensors = [
        TensorDiff(f"{i}\u00e9", (40, 30), at, np.sin(at + 1).astype(np.float32))
        for i, at in enumerate(changed)
    ]
    bias = np.arange(task.outputs, dtype=np.float32)
    head = Head(np.outer(np.sin(bias + 1), np.arange(width) - 1).astype(np.float32), bias)
    base = Base("b", "0123456789abcdef" * 4, 1 << 40, width)
    diff = Diff(base, task, tuple(tensors), head, {"seed": "0"}, products=_products() if products else ())
    return dumps(quantise(diff, bits))


def _products() -> tuple[Product, ...]:
    """Of a tensor that has entries too, of a vector, and of one with many axes."""
    made = []
    for rank, (name, shape) in enumerate({"0\u00e9": (40, 30), "v": (300,), "w": (7, 3, 5)}.items(), 1):
        rows, columns = as_matrix(shape)
        left, right = np.sin(np.arange(rows * rank) + 1.0), np.cos(np.arange(columns * rank) + 1.0)
        factors = left.reshape(rows, rank), right.reshape(rank, columns)
        made.append(Product(name, shape, *(factor.astype(np.float32) for factor in factors)))
    return tuple(made)


def _divided(rng: random.Random, parts: Parts) -> bytes:
    """The file `parts` with other tensors, in classes of random sizes whose blocks are empty to full."""
    tensors, numbers, sets = list[Any](), list[int](), list[Any]()
    for number in range(rng.randint(1, 4)):
        shape = rng.choice(SHAPES)
        sizes = [_class_sizes(rng, lines) for lines in as_matrix(shape)]
        places = np.outer(sizes[0], sizes[1])
        counts = [rng.choice((0, 1, p // 2, p) if p < 50 else (0, 0, 2)) for p in places.reshape(-1).tolist()]
        counts[0] = max(1, counts[0])
        numbers += [len(sizes[0]), len(sizes[1]), *sizes[0][:-1], *sizes[1][:-1], *counts]
        tensors.append([f"t{number}", shape, sum(counts)])
        plan = Plan((0, 0), np.array(sizes[0]), np.array(sizes[1]), np.array(counts).reshape(places.shape))
        sets += [*plan.class_sets(), plan.block_sets()]
    gaps = [
        gaps_of(np.array(sorted(rng.sample(range(universe), written)), np.int64))
        for group in sets
        for universe, written in zip(group.universe.tolist(), group.written.tolist(), strict=True)
    ]
    parameters = np.concatenate([np.repeat(group.rice_parameter, group.written) for group in sets])
    quotients, remainders = encode_gaps(np.concatenate(gaps), parameters)
    codes = rng.choices(range(2 + 2 * parts["levels"][0]), k=sum(nnz for *_, nnz in tensors))
    parts |= {"quotients": quotients, "remainders": remainders, "codes": bytes(codes)}
    meta = json.dumps(json.loads(parts["meta"]) | {"tensors": tensors}).encode()
    return join(parts | {"meta": meta, "numbers": encode_numbers(np.array(numbers))})


def _class_sizes(rng: random.Random, lines: int) -> list[int]:
    """A few classes, the last one with all lines that are left."""
    classes = 1 if lines > MAX_CLASSED_AXIS else min(lines, rng.choice((1, 1, 2, 3, 24)))
    sizes = [rng.randint(1, min(20, lines // classes)) for _ in range(classes - 1)]
    return [*sizes, lines - sum(sizes)]
