"""Stage 2: which of the entries found are kept (Guo, Rush, Kim, section 3.3), by number or by bytes.

Rows and columns in their place are not the paper's: many masks are equally good, and these cost no positions.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import Base, Diff, Head, Product, Task, TensorDiff, as_matrix
from edgediff.errors import SettingError
from edgediff.format import dumps
from edgediff.pack import fit, largest_count, quantise, top_k, top_mixed, top_rows
from edgediff.train.record import provenance_of
from edgediff.train.settings import Settings, Shape

Mask = Mapping[str, NDArray[np.int64]]
"""Flat indices by parameter, strictly increasing; parameters without one are absent."""

_USUAL_BITS = 8
"""About what an entry takes in a packed file; says how many gates to aim at for a size."""
_TINY = np.finfo(np.float32).tiny
_MARGIN = 0.95
"""Values change while they are tuned and with them their bits: the cut leaves this much room."""


@dataclass(frozen=True)
class Cut:
    """How much is kept.

    Attributes:
        base: of the diff.
        task: of the diff.
        keep: how many entries, or None where `size` decides.
        size: the most bytes of the packed file, or None.
        shape: of what is kept.
        bits: a value's bits, as `pack` takes them.
        provenance: of the diff, near enough; it has its bytes in the file.
    """

    base: Base
    task: Task
    keep: int | None
    size: int | None
    shape: Shape
    bits: int | None
    provenance: dict[str, str]

    @classmethod
    def of(cls, base: Base, task: Task, settings: Settings, given: bool = False) -> "Cut":
        """The cut that `settings` ask for; `given` is whether the difference is a checkpoint's.

        Raises:
            SettingError: the density keeps no entry, or the size does not hold the head.
        """
        provenance = provenance_of(settings, task, {task.metric: 0.0}, given)
        if settings.size is None:
            keep = round(settings.density * base.parameters)
            if keep < 1:
                raise SettingError(
                    f"density {settings.density} keeps no entry of {base.parameters} parameters"
                )
            return cls(base, task, keep, None, settings.shape, settings.bits, provenance)
        cut = cls(base, task, None, settings.size, settings.shape, settings.bits, provenance)
        empty = np.zeros((task.outputs, base.width), np.float32)
        fit(Diff(base, task, (), Head(empty, empty[:, 0]), provenance), cut._room, cut.bits)
        return cut

    @property
    def density(self) -> float:
        """The share of the encoder's parameters that will be kept, roughly where a size decides."""
        keep = self.keep if self.keep is not None else 8 * (self.size or 0) / _USUAL_BITS
        return min(keep / self.base.parameters, 1.0)

    def mask(self, found: Mapping[str, NDArray[np.float32]], head: Head) -> Mask:
        """What is worth most of `found`, an entry's worth being the square of its value there.

        Single entries by one threshold over all parameters together, or where a size decides, those worth
        most per byte of the packed file; with the shape `row`, whole rows and columns; with `auto`, rows,
        columns and entries, each where it is worth its bytes.

        Raises:
            SettingError: the number is below that of any row or column.
        """
        match self.shape:
            case Shape.ENTRY if self.keep is not None:
                return top_k(found, self.keep)
            case Shape.ENTRY:
                candidates = self._diff(found, top_k(found, self._most), head)
                kept = fit(candidates, self._room, self.bits)
                return {tensor.name: tensor.indices for tensor in kept.tensors}
            case Shape.ROW:
                return self._rows(found, head)
            case Shape.AUTO:
                return top_mixed(found, self._most, lambda mask: self._fits(mask, found, head))

    def rank(self, shapes: Mapping[str, tuple[int, ...]], wanted: int | None) -> int:
        """Of products that change parameters of `shapes`: as `wanted`, or the largest that fits, or 1.

        Raises:
            SettingError: it does not fit.
        """
        if self.size is None:
            return wanted or 1
        one, two = (len(dumps(quantise(self._made(shapes, rank), self.bits))) for rank in (1, 2))
        largest = 1 + (self._room - one) // (two - one)
        if largest < (wanted or 1):
            bytes_of = round((one + ((wanted or 1) - 1) * (two - one)) / _MARGIN)
            raise SettingError(
                f"size is {self.size:,} bytes, products of rank {wanted or 1} need about {bytes_of:,}"
            )
        return wanted or largest

    def _made(self, shapes: Mapping[str, tuple[int, ...]], rank: int) -> Diff:
        """A diff of products whose numbers are drawn from a normal distribution: learnt ones take no more."""
        rng = np.random.default_rng(0)
        products = []
        for name, shape in shapes.items():
            rows, columns = as_matrix(shape)
            left, right = (rng.standard_normal(size, np.float32) for size in ((rows, rank), (rank, columns)))
            products.append(Product(name, shape, left, right))
        empty = np.zeros((self.task.outputs, self.base.width), np.float32)
        head = Head(empty, empty[:, 0])
        return Diff(self.base, self.task, (), head, self.provenance, products=tuple(products))

    def _rows(self, found: Mapping[str, NDArray[np.float32]], head: Head) -> Mask:
        """As many whole rows and columns as are asked for, or as fit."""
        if self.keep is not None:
            mask = top_rows(found, self.keep)
            if not mask:
                raise SettingError(f"no row or column that changes has {self.keep} entries or fewer")
            return mask
        count = largest_count(lambda count: self._fits(top_rows(found, count), found, head), self._most)
        return top_rows(found, count)

    def _fits(self, mask: Mask, found: Mapping[str, NDArray[np.float32]], head: Head) -> bool:
        """Whether so many entries are asked for, or so many bytes."""
        if sum(map(len, mask.values())) > self._most:
            return False
        if self.size is None:
            return True
        return len(dumps(quantise(self._diff(found, mask, head), self.bits))) <= self._room

    def _diff(self, found: Mapping[str, NDArray[np.float32]], mask: Mask, head: Head) -> Diff:
        """The diff if `found` were its values; what is worth nothing yet, as in a line, is next to zero."""
        values = {name: found[name].reshape(-1)[where] for name, where in mask.items()}
        tensors = tuple(
            TensorDiff(name, found[name].shape, where, np.where(values[name] == 0, _TINY, values[name]))
            for name, where in mask.items()
        )
        return Diff(self.base, self.task, tensors, head, self.provenance)

    @property
    def _most(self) -> int:
        """How many entries at most: none takes less than a bit."""
        return self.keep if self.keep is not None else 8 * self._room

    @property
    def _room(self) -> int:
        assert self.size is not None
        return int(_MARGIN * self.size)
