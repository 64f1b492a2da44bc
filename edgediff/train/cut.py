"""Stage 2: which of the entries found are kept (Guo, Rush, Kim, section 3.3), by number or by bytes.

Rows and columns in their place are not the paper's: many masks are equally good, and these cost no positions.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import Base, Diff, Head, Product, Task, TensorDiff, as_matrix
from edgediff.errors import SettingError
from edgediff.format import dumps
from edgediff.format.metadata import MAX_FACTORS, MAX_RANK
from edgediff.pack import largest_count, quantise, top_k, top_mixed, top_rows, worthiest
from edgediff.train.record import provenance_of
from edgediff.train.settings import Method, Settings, Shape
from edgediff.train.stage import Parameters

Arrays = Mapping[str, NDArray[np.float32]]
"""One for each parameter, in its shape, by name."""
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
        products: as many as will be learnt beside the entries, of other numbers that take no fewer bytes.
    """

    base: Base
    task: Task
    keep: int | None
    size: int | None
    shape: Shape
    bits: int | None
    provenance: dict[str, str]
    products: tuple[Product, ...] = ()

    @classmethod
    def of(
        cls, base: Base, task: Task, settings: Settings, weights: Parameters, given: bool = False
    ) -> "Cut":
        """The cut that `settings` ask for.

        `weights` are those that change by products; `given` is whether the difference is a checkpoint's.

        Raises:
            SettingError: the density keeps no entry, the size does not hold the head and the products, or the
                rank is above what the format allows.
        """
        provenance = provenance_of(settings, task, {task.metric: 0.0}, given)
        cut = cls(base, task, None, settings.size, settings.shape, settings.value_bits, provenance)
        if weights:
            cut = cut._with_products(weights, settings)
        if settings.size is None:
            keep = round(settings.kept_share * base.parameters)
            if keep < 1 and settings.method is not Method.LOW_RANK:
                raise SettingError(
                    f"density {settings.kept_share} keeps no entry of {base.parameters} parameters"
                )
            return replace(cut, keep=keep)
        least = cut._bytes(cut._without_entries())
        if least > cut._room:
            needed = math.ceil(least / _MARGIN)
            raise SettingError(f"size is {cut.size:,} bytes, a file without any entry needs {needed:,}")
        return cut

    @property
    def density(self) -> float:
        """The share of the encoder's parameters that will be kept, roughly where a size decides."""
        keep = self.keep if self.keep is not None else 8 * (self.size or 0) / _USUAL_BITS
        return min(keep / self.base.parameters, 1.0)

    def mask(self, found: Arrays, start: Arrays | None, head: Head) -> Mask:
        """What is worth most of `found`, an entry's worth being the square of its value there.

        Single entries by one threshold over all parameters together, or where a size decides, those worth
        most per byte of the packed file; with the shape `row`, whole rows and columns; with `auto`, rows,
        columns and entries, each where it is worth its bytes. Tuning will begin at `start` (None: at 0).

        Raises:
            SettingError: the number is below that of any row or column, or the size holds no entry.
        """

        def fits(mask: Mask) -> bool:
            if sum(map(len, mask.values())) > self._most:
                return False
            return self.size is None or self._bytes(self._priced(found, start, mask, head)) <= self._room

        mask = self._most_that(fits, found, head)
        empty = self.size is not None and not any(map(len, mask.values()))
        if empty and any(array.any() for array in found.values()):
            raise SettingError(f"size is {self.size} bytes, which hold no entry beside the head and products")
        return mask

    def _most_that(self, fits: Callable[[Mask], bool], found: Arrays, head: Head) -> Mask:
        match self.shape:
            case Shape.ENTRY if self.keep is not None:
                return top_k(found, self.keep)
            case Shape.ENTRY:
                return self._entries(found, head, fits)
            case Shape.ROW:
                return self._rows(found, fits)
            case Shape.AUTO:
                return top_mixed(found, self._most, fits)

    @property
    def rank(self) -> int:
        """Of the products, 0 without any."""
        return max((product.rank for product in self.products), default=0)

    def _with_products(self, weights: Parameters, settings: Settings) -> "Cut":
        """Of the rank that the settings name, or the largest that fits."""
        wanted = settings.product_rank or 1
        most = min(MAX_RANK, MAX_FACTORS // sum(sum(as_matrix(tuple(w.shape))) for w in weights.values()))
        if wanted > most:
            raise SettingError(
                f"rank is {wanted}, products of these {len(weights)} weights have at most rank {most}"
                " in a packed file"
            )
        if self.size is None:
            return replace(self, products=_stand_ins(weights, wanted))
        ranks = (replace(self, products=_stand_ins(weights, rank)) for rank in (1, 2))
        one, two = (cut._bytes(cut._without_entries()) for cut in ranks)
        largest = 1 + (self._room - one) // (two - one)
        if largest < wanted:
            bytes_of = round((one + (wanted - 1) * (two - one)) / _MARGIN)
            raise SettingError(
                f"size is {self.size:,} bytes, products of rank {wanted} need about {bytes_of:,}"
            )
        rank = min(largest, most) if settings.product_rank is None else wanted
        return replace(self, products=_stand_ins(weights, rank))

    def _entries(self, found: Arrays, head: Head, fits: Callable[[Mask], bool]) -> Mask:
        """As many single entries as fit, those worth most for their bytes."""
        candidates = self._diff(found, top_k(found, self._most), head)

        def worth_most(count: int) -> Mask:
            return {t.name: t.indices for t in worthiest(candidates, count).tensors if t.nnz}

        return worth_most(largest_count(lambda count: fits(worth_most(count)), candidates.nnz))

    def _rows(self, found: Arrays, fits: Callable[[Mask], bool]) -> Mask:
        """As many whole rows and columns as are asked for, or as fit."""
        if self.keep is not None:
            mask = top_rows(found, self.keep)
            if not mask:
                raise SettingError(f"no row or column that changes has {self.keep} entries or fewer")
            return mask
        return top_rows(found, largest_count(lambda count: fits(top_rows(found, count)), self._most))

    def _bytes(self, diff: Diff) -> int:
        return len(dumps(quantise(diff, self.bits)))

    def _without_entries(self) -> Diff:
        empty = np.zeros((self.task.outputs, self.base.width), np.float32)
        return self._diff({}, {}, Head(empty, empty[:, 0]))

    def _priced(self, found: Arrays, start: Arrays | None, mask: Mask, head: Head) -> Diff:
        """A diff of the mask whose values take about the bits of tuned ones."""
        diff = self._diff(found if start is None else start, mask, head)
        if start is not None:
            return diff  # tuning does not move them far
        # Values tuned from 0 are about normally distributed. What was found is the top of something else,
        # takes fewer bits, and would let in a mask that no longer fits once it is tuned.
        rng = np.random.default_rng(0)
        tensors = (replace(t, values=rng.standard_normal(t.nnz, np.float32)) for t in diff.tensors)
        return replace(diff, tensors=tuple(tensors))

    def _diff(self, values: Arrays, mask: Mask, head: Head) -> Diff:
        """The diff of these values; one that is 0 yet, as there may be in a row, is next to it."""
        tensors = []
        for name, where in mask.items():
            kept = values[name].reshape(-1)[where]
            tensors.append(TensorDiff(name, values[name].shape, where, np.where(kept == 0, _TINY, kept)))
        return Diff(self.base, self.task, tuple(tensors), head, self.provenance, products=self.products)

    @property
    def _most(self) -> int:
        """How many entries at most: none takes less than a bit."""
        return self.keep if self.keep is not None else 8 * self._room

    @property
    def _room(self) -> int:
        assert self.size is not None
        return int(_MARGIN * self.size)


def _stand_ins(weights: Parameters, rank: int) -> tuple[Product, ...]:
    """Products of normally distributed numbers: learnt ones take no more bytes."""
    rng = np.random.default_rng(0)
    products = []
    for name, weight in weights.items():
        rows, columns = as_matrix(tuple(weight.shape))
        left, right = (rng.standard_normal(size, np.float32) for size in ((rows, rank), (rank, columns)))
        products.append(Product(name, tuple(weight.shape), left, right))
    return tuple(products)
