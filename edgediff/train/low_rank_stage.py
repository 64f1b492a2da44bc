"""Low rank in the place of a mask: each weight changes by a product of two thin matrices.

The model of LoRA (Hu et al., arXiv 2106.09685), learnt as it will be packed.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from edgediff.diff import Product
from edgediff.pack import FACTOR_BITS, onto_steps
from edgediff.train.model import TaskModel, linear_layers
from edgediff.train.settings import Settings
from edgediff.train.stage import Parameters, Stage, State, adam, clip, learn_only

_SCALE = 2.0
"""What products are multiplied by in the forward pass: LoRA's alpha over its rank, at PEFT's usual 2."""


class LowRankStage(Stage):
    """Learns the factors of linear layers' weights; the weights themselves take no part in the backward pass.

    A layer adds `_SCALE * (x @ right.T) @ left.T` to what it gives. `left` begins at 0, `right` as the rows
    of a linear layer of its width do (both as in LoRA). The second half of the stage computes its loss
    with factors as the packed file will have them, and passes their gradient straight on to the exact ones,
    as `MaskStage` does where it is told the bits.
    """

    name = "low-rank"

    def __init__(
        self, model: TaskModel, parameters: Parameters, settings: Settings, steps: int, rank: int
    ) -> None:
        super().__init__(settings, steps)
        self.dropout = settings.drops
        self._bits = settings.bits or FACTOR_BITS
        learn_only(model.encoder, ())
        generator = torch.Generator().manual_seed(settings.seed)
        device = model.head.weight.device
        self._shapes = {name: tuple(parameter.shape) for name, parameter in parameters.items()}
        self._factors: list[Tensor] = []
        for rows, columns in self._shapes.values():
            bound = 1 / math.sqrt(columns)
            right = torch.empty(rank, columns).uniform_(-bound, bound, generator=generator)
            self._factors += [torch.zeros(rank, rows, device=device), right.to(device)]
        # The model's own, so that their gradients are added up over processes as all others are.
        model.factors.extend(nn.Parameter(factor.clone()) for factor in self._factors)
        self._written = list(model.factors)
        layers = linear_layers(model.encoder.model)
        for name, left, right in zip(self._shapes, self._written[::2], self._written[1::2], strict=True):
            layers[name].register_forward_hook(_adding(left, right))
        self._head: list[Tensor] = list(model.head.parameters())
        self.optimizer = adam(
            [(self._factors, settings.adapter_rate, False), (self._head, settings.head_rate, False)]
        )

    @torch.no_grad()
    def prepare(self, step: int) -> None:
        """Write the factors that this step's loss is computed with."""
        packs = 2 * step >= self.steps
        for factor, written in zip(self._factors, self._written, strict=True):
            written.copy_(torch.from_numpy(onto_steps(factor.cpu().numpy(), self._bits)) if packs else factor)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take over the gradients, clip, and step."""
        for factor, written in zip(self._factors, self._written, strict=True):
            factor.grad = torch.zeros_like(factor) if written.grad is None else written.grad
        clip(self._factors, self.settings.clip)
        clip(self._head, self.settings.clip)
        self.set_rates(step)
        self.optimizer.step()

    def settle(self) -> None:
        """Write the learnt factors."""
        self.prepare(self.steps)

    def products(self) -> tuple[Product, ...]:
        """What was learnt, the scale in the left factors."""
        pairs = zip(self._factors[::2], self._factors[1::2], strict=True)
        return tuple(
            Product(name, shape, (_SCALE * left).T.contiguous().cpu().numpy(), right.cpu().numpy())
            for (name, shape), (left, right) in zip(self._shapes.items(), pairs, strict=True)
        )

    def state(self) -> State:
        """The state after a whole step."""
        return super().state() | {f"factor.{i}": factor for i, factor in enumerate(self._factors)}

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a `state`."""
        super().restore(state)
        for i, factor in enumerate(self._factors):
            factor.copy_(state[f"factor.{i}"])


def _adding(left: Tensor, right: Tensor) -> Any:
    """A forward hook of a linear layer that adds its product, without ever making the product's matrix."""

    def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        inside = nn.functional.linear(inputs[0], right)
        return output + _SCALE * nn.functional.linear(inside, left.T)

    return hook
