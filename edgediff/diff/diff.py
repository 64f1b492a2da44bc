"""A diff: what one task changes in the base's parameters, and the task's own head."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgediff.diff.base import Base
from edgediff.diff.task import Task
from edgediff.errors import SettingError


def as_matrix(shape: tuple[int, ...]) -> tuple[int, int]:
    """A parameter's shape as rows and columns: a vector is one row, further axes belong to the columns."""
    if len(shape) == 1:
        return 1, shape[0]
    return shape[0], math.prod(shape[1:])


@dataclass(frozen=True, eq=False)
class TensorDiff:
    """The changed entries of one parameter.

    Attributes:
        name: as in the encoder's `named_parameters()`.
        shape: of the parameter, in PyTorch's orientation.
        indices: `(nnz,)` int64, flat, row-major, strictly increasing.
        values: `(nnz,)` float32, what is added to the base at `indices`.
    """

    name: str
    shape: tuple[int, ...]
    indices: NDArray[np.int64]
    values: NDArray[np.float32]

    @property
    def nnz(self) -> int:
        """How many entries are changed."""
        return len(self.indices)

    @property
    def numel(self) -> int:
        """How many entries the parameter has."""
        return math.prod(self.shape)

    def patch(self, base: NDArray[np.float32]) -> NDArray[np.float32]:
        """A copy of `base` (of this shape) with the diff added, in float32."""
        patched = base.copy()
        patched.reshape(-1)[self.indices] += self.values
        return patched


@dataclass(frozen=True, eq=False)
class Product:
    """The change of a whole parameter as a product of two thin matrices, which is of low rank.

    A parameter is seen as a matrix: a row for each place of its first axis (one row if it has one axis).

    Attributes:
        name: as in the encoder's `named_parameters()`.
        shape: of the parameter, in PyTorch's orientation.
        left: `(rows, rank)` float32.
        right: `(rank, columns)` float32; what is added to the base is `left @ right`.
        steps: `(rank,)` float32 above zero in a packed diff: `left` then holds whole numbers, and row t of
            `right` multiples of `steps[t]`; None in one that is not.
    """

    name: str
    shape: tuple[int, ...]
    left: NDArray[np.float32]
    right: NDArray[np.float32]
    steps: NDArray[np.float32] | None = None

    @property
    def rank(self) -> int:
        """How many terms are added up."""
        return len(self.right)

    @property
    def size(self) -> int:
        """How many numbers the two matrices have."""
        return self.left.size + self.right.size

    def dense(self) -> NDArray[np.float32]:
        """What is added to the base, in the parameter's shape.

        Term after term, each product and sum rounded to single precision, so that every reader has the same
        bits; a matrix product would add up in an order of its own.
        """
        total = self.left[:, :1] * self.right[:1]
        for left, right in zip(self.left.T[1:, :, None], self.right[1:], strict=True):
            total += left * right
        return total.reshape(self.shape)


@dataclass(frozen=True, eq=False)
class Head:
    """The task's own output layer, dense and never penalised: `logits = feature @ weight.T + bias`.

    Attributes:
        weight: `(labels, width)` float32.
        bias: `(labels,)` float32.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Diff:
    """One task over one base. Tensors that the task leaves alone are absent.

    Attributes:
        base: the model that is changed.
        task: what it is changed for.
        tensors: the changes of single entries, parameter by parameter.
        products: the changes of whole parameters. One may have single entries as well, which are added last.
        head: the task's own output layer.
        provenance: how the diff came about, keys and values for people.
        levels: `(levels,)` float32, ascending and above zero: the magnitudes that all values have in a packed
            diff; None in one that is not.
    """

    base: Base
    task: Task
    tensors: tuple[TensorDiff, ...]
    head: Head
    provenance: dict[str, str] = field(default_factory=dict)
    levels: NDArray[np.float32] | None = None
    products: tuple[Product, ...] = ()

    @property
    def nnz(self) -> int:
        """How many encoder parameters are changed one by one (the head is not counted)."""
        return sum(tensor.nnz for tensor in self.tensors)

    @property
    def size(self) -> int:
        """How many numbers say what changes in the encoder: one for each entry, and those of the products."""
        return self.nnz + sum(product.size for product in self.products)

    @property
    def density(self) -> float:
        """The share of the encoder's parameters that are changed one by one."""
        return self.nnz / self.base.parameters

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each parameter that is changed in any way, by name."""
        entries = {tensor.name: tensor.shape for tensor in self.tensors}
        return entries | {product.name: product.shape for product in self.products}

    def patch(self, name: str, base: NDArray[np.float32]) -> NDArray[np.float32]:
        """The parameter `name` of values `base` with the diff in it: first its product, then its entries."""
        patched = base
        for product in self.products:
            if product.name == name:
                patched = patched + product.dense()
        for tensor in self.tensors:
            if tensor.name == name:
                patched = tensor.patch(patched)
        return patched

    def check(self) -> None:
        """Check that the arrays fit their shapes, the base and the task.

        Raises:
            SettingError: the text says which does not.
        """
        for tensor in self.tensors:
            _check_tensor(tensor)
        for product in self.products:
            _check_product(product)
        for names in ([tensor.name for tensor in self.tensors], [each.name for each in self.products]):
            if len(set(names)) != len(names):
                raise SettingError(f"tensor {max(names, key=names.count)!r} occurs twice in the diff")
        for tensor in self.tensors:
            if tensor.shape != self.shapes[tensor.name]:
                raise SettingError(f"tensor {tensor.name!r} has two shapes, {tensor.shape} for one")
        wanted = (self.task.outputs, self.base.width)
        if self.head.weight.shape != wanted or self.head.bias.shape != wanted[:1]:
            raise SettingError(f"the head has shape {self.head.weight.shape}, expected {wanted}")


def _check_product(product: Product) -> None:
    rows, columns = as_matrix(product.shape)
    rank = product.rank
    typed = product.left.dtype == product.right.dtype == np.float32
    if not typed or not rank or (product.left.shape, product.right.shape) != ((rows, rank), (rank, columns)):
        raise SettingError(
            f"tensor {product.name!r}: {product.left.shape} and {product.right.shape} are no two factors of"
            f" {product.shape}"
        )


def _check_tensor(tensor: TensorDiff) -> None:
    indices, values = tensor.indices, tensor.values
    typed = indices.dtype == np.int64 and values.dtype == np.float32
    if not typed or not indices.shape == values.shape == (len(values),):
        raise SettingError(f"tensor {tensor.name!r}: indices and values are no two lists of one length")
    if (np.diff(indices, prepend=-1, append=tensor.numel) <= 0).any():
        raise SettingError(f"tensor {tensor.name!r}: indices do not increase strictly inside {tensor.shape}")
