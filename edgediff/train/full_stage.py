"""Plain fine-tuning of every parameter: the score that a sparse diff is measured against."""

from collections.abc import Mapping

import torch
from torch import Tensor

from edgediff.train.model import TaskModel
from edgediff.train.settings import Settings
from edgediff.train.stage import Stage, State, adam, clip


class FullStage(Stage):
    """Trains the encoder and the head with AdamW."""

    name = "full"

    def __init__(self, model: TaskModel, settings: Settings, steps: int) -> None:
        super().__init__(settings, steps)
        self._named = model.parameters_by_name()
        self._head: list[Tensor] = list(model.head.parameters())
        encoder: list[Tensor] = list(self._named.values())
        self.optimizer = adam([(encoder, settings.full_rate, False), (self._head, settings.head_rate, False)])

    def prepare(self, step: int) -> None:
        """Nothing to write: the model's own parameters are learnt."""

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Clip, and step."""
        clip(self._named.values(), self.settings.clip)
        clip(self._head, self.settings.clip)
        self.set_rates(step)
        self.optimizer.step()

    def settle(self) -> None:
        """Nothing to write."""

    def state(self) -> State:
        """The state after a whole step."""
        return super().state() | {f"encoder.{name}": p.detach() for name, p in self._named.items()}

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a `state`."""
        super().restore(state)
        for name, parameter in self._named.items():
            parameter.copy_(state[f"encoder.{name}"])
