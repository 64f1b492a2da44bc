"""The gates' noise: read from a pool that the seed makes once, at places that seed and step decide.

Fresh draws for every entry would cost more than the rest of a step, and storing them for the backward pass
more memory. A slice of a pool is free, is read a second time in the backward pass, and after a resume is the
same slice.
"""

import random

import torch
from torch import Tensor

POOL_SIZE = 1 << 22


class NoisePool:
    """Logistic noise, `log u - log(1 - u)`, for the gates of a training run."""

    def __init__(self, seed: int, device: torch.device, size: int = POOL_SIZE) -> None:
        self._seed = seed
        generator = torch.Generator().manual_seed(seed)
        uniform = torch.rand(size, generator=generator).clamp_(1e-7, 1 - 1e-7)
        self._pool = torch.logit(uniform).to(device)

    def slices(self, step: int) -> "NoiseSlices":
        """The noise of one step; a second call for the same step gives the same slices in the same order."""
        return NoiseSlices(self._pool, random.Random(f"{self._seed}/{step}"))  # noqa: S311 (no secret)


class NoiseSlices:
    """The slices of one step, in the order in which they are asked for."""

    def __init__(self, pool: Tensor, offsets: random.Random) -> None:
        self._pool, self._offsets = pool, offsets

    def next(self, size: int) -> Tensor:
        """The next slice, `(size,)`; `size` is at most the pool's."""
        offset = self._offsets.randrange(len(self._pool) - size + 1)
        return self._pool[offset : offset + size]
