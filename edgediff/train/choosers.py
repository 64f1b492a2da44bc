"""Ways to find what a task needs without learning a gate."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgediff.train.model import TaskModel
from edgediff.train.settings import Settings
from edgediff.train.stage import Chooser, Parameters, State, adam, clip, learn_only


class FisherChooser(Chooser):
    """Finds each entry's squared gradient at the base, summed over batches; only the head learns."""

    name = "fisher"

    def __init__(self, model: TaskModel, parameters: Parameters, settings: Settings, steps: int) -> None:
        super().__init__(settings, steps)
        self._named = parameters
        learn_only(model.encoder, parameters.values())
        self._head: list[Tensor] = list(model.head.parameters())
        self._squares = {name: torch.zeros_like(p, requires_grad=False) for name, p in parameters.items()}
        self.optimizer = adam([(self._head, settings.head_rate, False)])

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Add up the squares, and let the head learn."""
        for name, parameter in self._named.items():
            if parameter.grad is not None:
                self._squares[name].addcmul_(parameter.grad, parameter.grad)
        clip(self._head, self.settings.clip)
        self.set_rates(step)
        self.optimizer.step()

    def found(self) -> dict[str, NDArray[np.float32]]:
        """The roots of the sums: an entry's worth is the square of what is found."""
        return {name: squares.sqrt().cpu().numpy() for name, squares in self._squares.items()}

    def state(self) -> State:
        """The state after a whole step."""
        return super().state() | {f"squares.{name}": squares for name, squares in self._squares.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a `state`."""
        super().restore(state)
        for name, squares in self._squares.items():
            squares.copy_(state[f"squares.{name}"])


class RandomChooser(Chooser):
    """Draws entries from the seed alone, in no step."""

    name = "random"

    def __init__(self, parameters: Parameters, settings: Settings) -> None:
        super().__init__(settings, steps=0)
        self._named = parameters
        self.optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(0))], lr=0.0)  # it learns nothing

    def update(self, step: int) -> None:
        """There is no step."""

    def found(self) -> dict[str, NDArray[np.float32]]:
        """Uniform draws."""
        generator = np.random.default_rng(self.settings.seed)
        return {name: generator.random(p.shape, np.float32) for name, p in self._named.items()}


class GivenChooser(RandomChooser):
    """Has a difference already, that of a fine-tuned checkpoint; tuning goes on from it."""

    name = "given"

    def __init__(
        self, difference: Mapping[str, NDArray[np.float32]], parameters: Parameters, settings: Settings
    ) -> None:
        super().__init__(parameters, settings)
        self._difference = {name: difference[name] for name in parameters}

    def found(self) -> dict[str, NDArray[np.float32]]:
        """The difference."""
        return self._difference

    def start(self, found: Mapping[str, NDArray[np.float32]]) -> Mapping[str, NDArray[np.float32]]:
        """The difference."""
        return found
