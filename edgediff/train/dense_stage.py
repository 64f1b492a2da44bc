"""Dense training: of every parameter to compare with, or for a while to see which entries it moves."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgediff.train.model import TaskModel
from edgediff.train.settings import Settings
from edgediff.train.stage import Chooser, Parameters, Stage, State, adam, clip, learn_only


class DenseStage(Stage):
    """Trains whole parameters and the head with AdamW."""

    name = "dense"

    def __init__(
        self, model: TaskModel, parameters: Parameters, settings: Settings, steps: int, rate: float
    ) -> None:
        super().__init__(settings, steps)
        self._named = parameters
        learn_only(model.encoder, parameters.values())
        self._head: list[Tensor] = list(model.head.parameters())
        encoder: list[Tensor] = list(parameters.values())
        self.optimizer = adam([(encoder, rate, False), (self._head, settings.head_rate, False)])

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Clip, and step."""
        clip(self._named.values(), self.settings.clip)
        clip(self._head, self.settings.clip)
        self.set_rates(step)
        self.optimizer.step()

    @property
    def size(self) -> int:
        """How many parameters of the encoder it trains."""
        return sum(p.numel() for p in self._named.values())

    def weights(self) -> dict[str, Tensor]:
        """What it trained of the encoder, by name."""
        return dict(self._named)

    def state(self) -> State:
        """The state after a whole step."""
        return super().state() | {f"encoder.{name}": p.detach() for name, p in self._named.items()}

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a `state`."""
        super().restore(state)
        for name, parameter in self._named.items():
            parameter.copy_(state[f"encoder.{name}"])


class DenseChooser(DenseStage, Chooser):
    """Finds how far dense training moves each entry; with `keep_values`, tuning goes on from there."""

    def __init__(
        self,
        model: TaskModel,
        parameters: Parameters,
        settings: Settings,
        steps: int,
        keep_values: bool,
    ) -> None:
        super().__init__(model, parameters, settings, steps, settings.dense_rate)
        self._base = {name: p.detach().clone() for name, p in parameters.items()}
        self._keep_values = keep_values

    @torch.no_grad()
    def found(self) -> dict[str, NDArray[np.float32]]:
        """The difference to the base."""
        return {name: (p - self._base[name]).cpu().numpy() for name, p in self._named.items()}

    def start(self, found: Mapping[str, NDArray[np.float32]]) -> Mapping[str, NDArray[np.float32]] | None:
        """The difference itself, or nothing."""
        return found if self._keep_values else None

    @torch.no_grad()
    def detach(self) -> None:
        """Put the base back."""
        for name, parameter in self._named.items():
            parameter.copy_(self._base[name])


class CreditChooser(DenseChooser):
    """Finds how much of the fall of the loss is due to each entry, to first order.

    With gradients g over n steps and the difference d to the base, that is `-d * sum(g) / n`: what an entry
    did about the mean gradient. It is the path integral of Zenke, Poole, Ganguli (arXiv 1703.04200) with the
    mean gradient in place of each step's own, for whose noise AdamW's moves would get credit too. AdamW moves
    all entries alike, whatever their gradient, so these are others than those that moved most.
    """

    def __init__(self, model: TaskModel, parameters: Parameters, settings: Settings, steps: int) -> None:
        super().__init__(model, parameters, settings, steps, keep_values=False)
        self._gradients = {name: torch.zeros_like(p, requires_grad=False) for name, p in parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Add up the gradients as they are before they are clipped, and step."""
        for name, parameter in self._named.items():
            if parameter.grad is not None:
                self._gradients[name] += parameter.grad
        super().update(step)

    @torch.no_grad()
    def found(self) -> dict[str, NDArray[np.float32]]:
        """The roots of the credits, with the sign of the move; 0 where it did not lower the loss."""
        roots = {}
        for name, moved in super().found().items():
            mean = self._gradients[name].cpu().numpy() / self.steps
            roots[name] = np.copysign(np.sqrt(np.maximum(-moved * mean, 0)), moved)
        return roots

    def state(self) -> State:
        """The state after a whole step."""
        return super().state() | {f"gradient.{name}": total for name, total in self._gradients.items()}

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a `state`."""
        super().restore(state)
        for name, total in self._gradients.items():
            total.copy_(state[f"gradient.{name}"])
