"""Hard-concrete gates (Louizos, Welling, Kingma, arXiv 1712.01312) and their gradients, line by line.

Diff pruning (Guo, Rush, Kim, arXiv 2012.07463, sections 3.1 and 3.2) writes a task's parameters as
`theta = base + w * z * z_group`. An entry's gate is

    s = sigmoid(noise + log_alpha),  noise = log u - log(1 - u),  u uniform on (0, 1)
    z = clamp(s * (zeta - gamma) + gamma, 0, 1)

and its probability of being open is `p = sigmoid(log_alpha - log(-gamma / zeta))`. The expected number of
changed entries, the L0 term, is the sum over entries of `p * p_group`.

Autograd would keep a graph over every parameter of the model. Instead the gradient with respect to theta,
which training needs anyway, is carried on to w and log_alpha here. A test checks it against autograd.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

GAMMA, ZETA = -1.5, 1.5
"""The stretch of the gate beyond 0 and 1; the paper's temperature is 1 and does not appear."""

OPEN_SHIFT = math.log(-GAMMA / ZETA)
START_LOG_ALPHA = 5.0


@dataclass(frozen=True)
class Scratch:
    """Three buffers of one chunk's size, so that no step allocates."""

    sample: Tensor
    gate: Tensor
    work: Tensor

    @classmethod
    def of(cls, size: int, like: Tensor) -> "Scratch":
        """Buffers for chunks of up to `size` entries, of the device and type of `like`."""
        return cls(*(like.new_empty(size) for _ in range(3)))

    def first(self, size: int) -> "Scratch":
        """The first `size` entries of each buffer."""
        return Scratch(self.sample[:size], self.gate[:size], self.work[:size])


def sample_gates(log_alpha: Tensor, noise: Tensor, scratch: Scratch) -> Tensor:
    """Fill `scratch.sample` with s and `scratch.gate` with z, and give z. All have log_alpha's shape."""
    torch.add(log_alpha, noise, out=scratch.sample).sigmoid_()
    return torch.mul(scratch.sample, ZETA - GAMMA, out=scratch.gate).add_(GAMMA).clamp_(0, 1)


def expected_gates(log_alpha: Tensor) -> Tensor:
    """The gates without noise, as the paper's are at test time."""
    return (log_alpha.sigmoid() * (ZETA - GAMMA) + GAMMA).clamp(0, 1)


def gate_slope(sample: Tensor, gate: Tensor) -> Tensor:
    """Turn s in `sample` into dz/dlog_alpha in place: `(zeta - gamma) s (1 - s)` where 0 < z < 1, else 0."""
    inside = (gate > 0) & (gate < 1)
    return sample.addcmul_(sample, sample, value=-1).mul_(ZETA - GAMMA).mul_(inside)


def open_probability(log_alpha: Tensor, out: Tensor | None = None) -> Tensor:
    """The probability p that a gate is open."""
    return torch.sub(log_alpha, OPEN_SHIFT, out=out).sigmoid_()


def patch_chunk(
    theta: Tensor, base: Tensor, w: Tensor, log_alpha: Tensor, noise: Tensor, group: float, scratch: Scratch
) -> None:
    """Write `base + w * z * z_group` to `theta`; all tensors are flat and of one size."""
    change = sample_gates(log_alpha, noise, scratch).mul_(w)
    torch.add(base, change, alpha=group, out=theta)


def backward_chunk(
    grad: Tensor,
    w: Tensor,
    log_alpha: Tensor,
    noise: Tensor,
    group: float,
    penalty: float,
    grad_log_alpha: Tensor,
    scratch: Scratch,
) -> "ChunkSums":
    """Carry g = dL / dtheta (in `grad`) on to w and log_alpha.

    On return `grad` holds dL/dw and `grad_log_alpha` the gradient of `L + penalty * sum(p)`.
    """
    gate = sample_gates(log_alpha, noise, scratch)  # the same noise as in patch_chunk: nothing was stored
    torch.mul(grad, w, out=grad_log_alpha)  # g w
    group_dot = float(torch.dot(grad_log_alpha, gate))  # sum g w z
    grad.mul_(gate).mul_(group)  # dL/dw = g z z_group
    slope = gate_slope(scratch.sample, gate)
    grad_log_alpha.mul_(slope).mul_(group)  # dL/dlog_alpha = g w z_group dz/dlog_alpha
    p = open_probability(log_alpha, out=scratch.work)
    expected = float(p.sum())
    grad_log_alpha.add_(p, alpha=penalty).addcmul_(p, p, value=-penalty)  # + penalty p (1 - p)
    return ChunkSums(
        group_dot, expected, float(torch.dot(grad, grad)), float(torch.dot(grad_log_alpha, grad_log_alpha))
    )


class ChunkSums(NamedTuple):
    """Sums over entries, taken while a chunk is in the processor's cache.

    Attributes:
        group_dot: `sum(g * w * z)`; with `expected`, the group's own gradient is made from it.
        expected: `sum(p)`.
        grad_w: the squared length of dL/dw.
        grad_log_alpha: the squared length of the gradient of log_alpha.
    """

    group_dot: float = 0.0
    expected: float = 0.0
    grad_w: float = 0.0
    grad_log_alpha: float = 0.0

    def plus(self, other: "ChunkSums") -> "ChunkSums":
        """The sums over the entries of both."""
        return ChunkSums(*(mine + others for mine, others in zip(self, other, strict=True)))


def backward_group(
    log_alpha: Tensor, noise: Tensor, group_dots: Tensor, expected: Tensor, l0_weight: float
) -> Tensor:
    """The gradient with respect to the groups' log_alpha, `(groups,)`.

    `group_dots` holds each group's `sum(g * w * z)`, `expected` its `sum(p)`.
    """
    scratch = Scratch.of(len(log_alpha), log_alpha)
    gate = sample_gates(log_alpha, noise, scratch)
    slope = gate_slope(scratch.sample, gate)
    p = open_probability(log_alpha)
    return slope * group_dots + l0_weight * expected * p * (1 - p)
