"""Several diffs of one base as one."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgediff.diff.diff import Diff, Product, TensorDiff
from edgediff.errors import BaseMismatchError, SettingError


def compose(diffs: Sequence[Diff]) -> tuple[Diff, int]:
    """The diff that changes what any of `diffs` changes, and how many single entries more than one changes.

    Where several change one entry, their values are added, from the smallest to the largest; where several
    change a parameter as a whole, the terms of their products, likewise sorted. So the order of `diffs` does
    not matter to the bits. Task and head are the last one's.

    Raises:
        SettingError: no diff.
        BaseMismatchError: they are of different bases.
    """
    if not diffs:
        raise SettingError("no diff to compose")
    last = diffs[-1]
    for diff in diffs:
        if diff.base.fingerprint != last.base.fingerprint:
            raise BaseMismatchError(
                f"the diffs of tasks {diff.task.name!r} and {last.task.name!r} are of different bases:"
                f" {diff.base.fingerprint} and {last.base.fingerprint}"
            )
    if len(diffs) == 1:
        return last, 0
    parts: dict[str, list[TensorDiff]] = {}
    for diff in diffs:
        for tensor in diff.tensors:
            parts.setdefault(tensor.name, []).append(tensor)
    added = [_add(parts[name]) for name in sorted(parts)]
    tensors = tuple(tensor for tensor, _ in added)
    products: dict[str, list[Product]] = {}
    for diff in diffs:
        for product in diff.products:
            products.setdefault(product.name, []).append(product)
    joined = tuple(_join(products[name]) for name in sorted(products))
    composed = replace(last, tensors=tensors, products=joined, levels=None)
    return composed, sum(overlap for _, overlap in added)


def _join(products: list[Product]) -> Product:
    terms = [term for product in products for term in zip(product.left.T, product.right, strict=True)]
    left, right = zip(*sorted(terms, key=lambda term: (term[0].tolist(), term[1].tolist())), strict=True)
    return replace(products[0], left=np.stack(left, 1), right=np.stack(right), steps=None)


def _add(tensors: list[TensorDiff]) -> tuple[TensorDiff, int]:
    indices = np.concatenate([tensor.indices for tensor in tensors])
    values = np.concatenate([tensor.values for tensor in tensors])
    order = np.lexsort((values, indices))
    together, first, counts = np.unique(indices[order], return_index=True, return_counts=True)
    added = replace(tensors[0], indices=together, values=np.add.reduceat(values[order], first))
    return added, int((counts > 1).sum())
