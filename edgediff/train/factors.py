"""The factors of products: each weight changes by two thin matrices, the model of LoRA (arXiv 2106.09685)."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from edgediff.diff import Product
from edgediff.pack import FACTOR_BITS, onto_steps
from edgediff.train.model import TaskModel, linear_layers
from edgediff.train.settings import Settings
from edgediff.train.stage import Parameters, State

_SCALE = 2.0
"""What products are multiplied by in the forward pass: LoRA's alpha over its rank, at PEFT's usual 2."""


class Factors:
    """The factors of linear layers' weights, which themselves need take no part in the backward pass.

    A layer adds `_SCALE * (x @ right.T) @ left.T` to what it gives. `left` begins at 0, `right` as the rows
    of a linear layer of its width do (both as in LoRA).

    Attributes:
        tensors: left and right factor of each weight in turn, `(rank, rows)` and `(rank, columns)`.
    """

    def __init__(self, model: TaskModel, weights: Parameters, settings: Settings, rank: int) -> None:
        self._bits = settings.value_bits or FACTOR_BITS
        generator = torch.Generator().manual_seed(settings.seed)
        device = model.head.weight.device
        self._shapes = {name: tuple(weight.shape) for name, weight in weights.items()}
        self.tensors: list[Tensor] = []
        for rows, columns in self._shapes.values():
            bound = 1 / math.sqrt(columns)
            right = torch.empty(rank, columns).uniform_(-bound, bound, generator=generator)
            self.tensors += [torch.zeros(rank, rows, device=device), right.to(device)]
        # The model's own, so that their gradients are added up over processes as all others are.
        model.factors.extend(nn.Parameter(factor.clone()) for factor in self.tensors)
        self._written = list(model.factors)
        layers = linear_layers(model.encoder.model)
        for name, left, right in zip(self._shapes, self._written[::2], self._written[1::2], strict=True):
            layers[name].register_forward_hook(_adding(left, right))

    @torch.no_grad()
    def write(self, as_packed: bool) -> None:
        """Have the layers use the factors, exact or as the packed file will have them."""
        for factor, written in zip(self.tensors, self._written, strict=True):
            written.copy_(
                torch.from_numpy(onto_steps(factor.cpu().numpy(), self._bits)) if as_packed else factor
            )

    def gather(self) -> None:
        """Take over the gradients of what the layers used."""
        for factor, written in zip(self.tensors, self._written, strict=True):
            factor.grad = torch.zeros_like(factor) if written.grad is None else written.grad

    def products(self) -> tuple[Product, ...]:
        """What was learnt, the scale in the left factors."""
        pairs = zip(self.tensors[::2], self.tensors[1::2], strict=True)
        return tuple(
            Product(name, shape, (_SCALE * left).T.contiguous().cpu().numpy(), right.cpu().numpy())
            for (name, shape), (left, right) in zip(self._shapes.items(), pairs, strict=True)
        )

    def state(self) -> State:
        """The factors, by name."""
        return {f"factor.{i}": factor for i, factor in enumerate(self.tensors)}

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a `state`."""
        for i, factor in enumerate(self.tensors):
            factor.copy_(state[f"factor.{i}"])


def _adding(left: Tensor, right: Tensor) -> Any:
    """A forward hook of a linear layer that adds its product, without ever making the product's matrix."""

    def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        inside = nn.functional.linear(inputs[0], right)
        return output + _SCALE * nn.functional.linear(inside, left.T)

    return hook
