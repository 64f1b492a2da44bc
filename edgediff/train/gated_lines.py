"""One parameter with its diff and a gate for each line of it: a whole row or column is learnt or left."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edgediff.train import gates
from edgediff.train.gated_tensor import GatedTensor
from edgediff.train.noise import NoiseSlices


@dataclass(frozen=True)
class GatedLines(GatedTensor):
    """One parameter with its diff, and one gate for each of its lines.

    Lines are the rows of a matrix, or its columns if it has more of these: so they are the units of a
    feed-forward layer on both its sides, and the words of an embedding. A vector is one line. The L0 term
    counts a line's entries. The equations are those of `gates.py`, the gradient with respect to a gate summed
    over its line.

    Attributes:
        log_alpha: `(lines,)`.
        axis: 0 where lines are rows, 1 where they are columns.
    """

    axis: int = 0

    @classmethod
    def of(cls, name: str, parameter: nn.Parameter, rows: Tensor | None) -> "GatedLines":
        """With w at 0 and gates as open as they begin."""
        live = parameter.detach() if rows is None else parameter.detach().index_select(0, rows)
        base = live.reshape(-1).clone()
        shape = (1, live.numel()) if live.dim() == 1 else (len(live), live[0].numel())
        axis = 1 if shape[1] > shape[0] > 1 and rows is None else 0
        log_alpha = base.new_full((shape[axis],), gates.START_LOG_ALPHA)
        return cls(name, parameter, rows, base, torch.zeros_like(base), log_alpha, axis)

    def gated(self) -> Tensor:
        """`w * z` without noise, flat."""
        return (self._as_matrix(self.w) * self._along(gates.expected_gates(self.log_alpha))).view(-1)

    def patch(self, noise: NoiseSlices, group: float, scratch: gates.Scratch) -> None:
        """Sample the gates and write `base + w * z * group` into the parameter."""
        z = self._along(self._sample(noise, scratch)) * group
        target = self.parameter.data if self.rows is None else torch.empty_like(self.base)
        torch.addcmul(
            self._as_matrix(self.base), self._as_matrix(self.w), z, out=self._as_matrix(target.view(-1))
        )
        if self.rows is not None:
            self.write(target)

    def backward(
        self, noise: NoiseSlices, group: float, penalty: float, scratch: gates.Scratch
    ) -> gates.ChunkSums:
        """Carry the parameter's gradient on to w and log_alpha, with the noise that `patch` had."""
        z = self._sample(noise, scratch)
        grad = self.gradient()
        matrix, w = self._as_matrix(grad), self._as_matrix(self.w)
        of_line = torch.einsum("rc,rc->r" if self.axis == 0 else "rc,rc->c", matrix, w)  # sum g w
        group_dot = float(torch.dot(of_line, z))
        matrix.mul_(self._along(z * group))  # dL/dw = g z z_group
        length = self.w.numel() // len(self.log_alpha)
        p = gates.open_probability(self.log_alpha)
        slope = gates.gate_slope(scratch.first(len(z)).sample, z)
        self.log_alpha.grad = of_line * slope * group + penalty * length * p * (1 - p)
        self.w.grad = grad  # the parameter's own gradient has become w's
        return gates.ChunkSums(
            group_dot,
            length * float(p.sum()),
            float(torch.dot(grad, grad)),
            float(self.log_alpha.grad.square().sum()),
        )

    def _sample(self, noise: NoiseSlices, scratch: gates.Scratch) -> Tensor:
        lines = len(self.log_alpha)
        return gates.sample_gates(self.log_alpha, noise.next(lines), scratch.first(lines))

    def _as_matrix(self, flat: Tensor) -> Tensor:
        lines = len(self.log_alpha)
        return flat.view(lines, -1) if self.axis == 0 else flat.view(-1, lines)

    def _along(self, of_lines: Tensor) -> Tensor:
        """`of_lines`, to be spread over the lines of a matrix."""
        return of_lines[:, None] if self.axis == 0 else of_lines[None, :]
