"""A diff: what one task changes in the base's parameters, and the task's own head."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgediff.diff.base import Base
from edgediff.diff.task import Task


@dataclass(frozen=True)
class Grid:
    """The values that a quantised tensor may take: `2 ** (bits - 1)` magnitudes, each with both signs.

    The magnitudes are equally spaced from `low` to `high`, both included. They leave a hole around zero
    because entries were kept for being far from zero.
    """

    bits: int
    low: float
    high: float

    def magnitudes(self) -> NDArray[np.float32]:
        """All magnitudes in ascending order, shape `(2 ** (bits - 1),)`."""
        steps = (1 << (self.bits - 1)) - 1
        position = np.arange(steps + 1) / max(steps, 1)
        return (self.low + (self.high - self.low) * position).astype(np.float32)


@dataclass(frozen=True, eq=False)
class TensorDiff:
    """The changed entries of one parameter.

    Attributes:
        name: as in the encoder's `named_parameters()`.
        shape: of the parameter, in PyTorch's orientation.
        indices: `(nnz,)` int64, flat, row-major, strictly increasing.
        values: `(nnz,)` float32, what is added to the base at `indices`.
        grid: the grid that `values` lie on once the diff is packed, else None.
    """

    name: str
    shape: tuple[int, ...]
    indices: NDArray[np.int64]
    values: NDArray[np.float32]
    grid: Grid | None = None

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
    """One task over one base. Tensors that the task leaves alone are absent."""

    base: Base
    task: Task
    tensors: tuple[TensorDiff, ...]
    head: Head
    provenance: dict[str, str] = field(default_factory=dict)

    @property
    def nnz(self) -> int:
        """How many encoder parameters are changed (the head is not counted)."""
        return sum(tensor.nnz for tensor in self.tensors)

    @property
    def density(self) -> float:
        """`nnz` over the encoder's parameter count."""
        return self.nnz / self.base.parameters
