"""One parameter with its diff and its gates, worked on chunk by chunk."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edgediff.train import gates
from edgediff.train.noise import NoiseSlices

CHUNK = 1 << 18
"""Entries worked on at a time: small enough that a chunk's buffers stay in the processor's cache."""


@dataclass(frozen=True)
class GatedTensor:
    """One parameter with its diff and gates.

    Attributes:
        name: of the parameter.
        parameter: the model's own, which holds the effective weights.
        rows: the rows that training can ever reach, or None for all. Other rows get no gradient, would stay
            at w = 0 and could never be kept, so they have neither w nor gate.
        base: the frozen values, flat, of the rows.
        w: the diff before its gates, flat.
        log_alpha: of the entries' gates, flat.
    """

    name: str
    parameter: nn.Parameter
    rows: Tensor | None
    base: Tensor
    w: Tensor
    log_alpha: Tensor

    def full(self, live: Tensor) -> Tensor:
        """`live` (flat, of the rows) in the parameter's shape, zero elsewhere."""
        if self.rows is None:
            return live.view_as(self.parameter)
        return torch.zeros_like(self.parameter).index_copy_(0, self.rows, live.view(len(self.rows), -1))

    @classmethod
    def of(cls, name: str, parameter: nn.Parameter, rows: Tensor | None) -> "GatedTensor":
        """With w at 0 and gates as open as they begin."""
        live = parameter.detach() if rows is None else parameter.detach().index_select(0, rows)
        base = live.reshape(-1).clone()
        w, log_alpha = torch.zeros_like(base), torch.full_like(base, gates.START_LOG_ALPHA)
        return cls(name, parameter, rows, base, w, log_alpha)

    def write(self, live: Tensor) -> None:
        """Write `live` (flat, of the rows) into the parameter."""
        if self.rows is None:
            self.parameter.data.copy_(live.view_as(self.parameter))
        else:
            self.parameter.data.index_copy_(0, self.rows, live.view(len(self.rows), -1))

    def gated(self) -> Tensor:
        """`w * z` without noise, flat."""
        return self.w * gates.expected_gates(self.log_alpha)

    def gradient(self) -> Tensor:
        """The parameter's gradient, flat, of the rows."""
        grad = self.parameter.grad
        if grad is None:
            grad = torch.zeros_like(self.parameter)
        return (grad if self.rows is None else grad.index_select(0, self.rows)).reshape(-1)

    def patch(self, noise: NoiseSlices, group: float, scratch: gates.Scratch) -> None:
        """Sample the gates and write `base + w * z * group` into the parameter."""
        target = self.parameter.data if self.rows is None else torch.empty_like(self.base)
        flat = target.view(-1)
        for part in self._chunks():
            size = part.stop - part.start
            gates.patch_chunk(
                flat[part],
                self.base[part],
                self.w[part],
                self.log_alpha[part],
                noise.next(size),
                group,
                scratch.first(size),
            )
        if self.rows is not None:
            self.write(flat)

    def backward(
        self, noise: NoiseSlices, group: float, penalty: float, scratch: gates.Scratch
    ) -> gates.ChunkSums:
        """Carry the parameter's gradient on to w and log_alpha, with the noise that `patch` had."""
        grad = self.gradient()
        if self.log_alpha.grad is None:
            self.log_alpha.grad = torch.empty_like(self.log_alpha)
        sums = gates.ChunkSums()
        for part in self._chunks():
            size = part.stop - part.start
            more = gates.backward_chunk(
                grad[part],
                self.w[part],
                self.log_alpha[part],
                noise.next(size),
                group,
                penalty,
                self.log_alpha.grad[part],
                scratch.first(size),
            )
            sums = sums.plus(more)
        self.w.grad = grad  # the parameter's own gradient has become w's
        return sums

    def _chunks(self) -> Iterator[slice]:
        for start in range(0, len(self.w), CHUNK):
            yield slice(start, min(start + CHUNK, len(self.w)))
