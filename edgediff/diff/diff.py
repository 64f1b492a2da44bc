"""A diff: what one task changes in the base's parameters, and the task's own head."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgediff.diff.base import Base
from edgediff.diff.task import Task
from edgediff.errors import SettingError


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
        tensors: the changes, parameter by parameter.
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

    @property
    def nnz(self) -> int:
        """How many encoder parameters are changed (the head is not counted)."""
        return sum(tensor.nnz for tensor in self.tensors)

    @property
    def density(self) -> float:
        """`nnz` over the encoder's parameter count."""
        return self.nnz / self.base.parameters

    def check(self) -> None:
        """Check that the arrays fit their shapes, the base and the task.

        Raises:
            SettingError: the text says which does not.
        """
        for tensor in self.tensors:
            _check_tensor(tensor)
        names = [tensor.name for tensor in self.tensors]
        if len(set(names)) != len(names):
            raise SettingError(f"tensor {max(names, key=names.count)!r} occurs twice in the diff")
        wanted = (self.task.outputs, self.base.width)
        if self.head.weight.shape != wanted or self.head.bias.shape != wanted[:1]:
            raise SettingError(f"the head has shape {self.head.weight.shape}, expected {wanted}")


def _check_tensor(tensor: TensorDiff) -> None:
    indices, values = tensor.indices, tensor.values
    typed = indices.dtype == np.int64 and values.dtype == np.float32
    if not typed or not indices.shape == values.shape == (len(values),):
        raise SettingError(f"tensor {tensor.name!r}: indices and values are no two lists of one length")
    if (np.diff(indices, prepend=-1, append=tensor.numel) <= 0).any():
        raise SettingError(f"tensor {tensor.name!r}: indices do not increase strictly inside {tensor.shape}")
