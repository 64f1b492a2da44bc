"""Stage 3: tune the kept values, the mask fixed (Guo, Rush, Kim, section 3.3: crucial for the score)."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgediff.diff import TensorDiff
from edgediff.pack.quantise import onto_levels
from edgediff.train.model import TaskModel
from edgediff.train.settings import Settings
from edgediff.train.stage import Stage, State, adam, clip, learn_only


class MaskStage(Stage):
    """Tunes the values at fixed positions; parameters without a kept entry take no part in the backward pass.

    So few values do not overfit as a dense model does, and learn more without dropout (`docs/training.md`).

    The kept values of all tensors lie in one vector, which begins at `start`, or at 0. With `settings.bits`
    the second half of the stage computes its loss with values on as few levels as the packed file will have,
    and passes their gradient straight on to the exact ones (Bengio et al., arXiv 1308.3432).
    """

    name = "mask"

    def __init__(
        self,
        model: TaskModel,
        mask: Mapping[str, NDArray[np.int64]],
        start: Mapping[str, NDArray[np.float32]] | None,
        settings: Settings,
        steps: int,
    ) -> None:
        super().__init__(settings, steps)
        self.dropout = settings.drops
        named = model.parameters_by_name()
        learn_only(model.encoder, (named[name] for name in mask))
        device = model.head.weight.device
        self._parameters = {name: named[name] for name in mask}
        self._indices = {name: torch.from_numpy(indices).to(device) for name, indices in mask.items()}
        self._base = {
            name: parameter.detach().view(-1)[self._indices[name]]
            for name, parameter in self._parameters.items()
        }
        self._sizes = [len(indices) for indices in mask.values()]
        self.values = torch.zeros(sum(self._sizes), device=device)
        if start is not None and mask:
            kept = [start[name].reshape(-1)[indices] for name, indices in mask.items()]
            self.values.copy_(torch.from_numpy(np.concatenate(kept)))
        self._head: list[Tensor] = list(model.head.parameters())
        self.optimizer = adam(
            [([self.values], settings.tuning_rate, False), (self._head, settings.head_rate, False)]
        )

    @torch.no_grad()
    def prepare(self, step: int) -> None:
        """Write `base + values` at the kept positions."""
        written = self._as_packed() if self._quantises(step) else self.values
        for (name, parameter), values in zip(
            self._parameters.items(), torch.split(written, self._sizes), strict=True
        ):
            parameter.data.view(-1)[self._indices[name]] = self._base[name] + values

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Gather the gradients at the kept positions, clip, and step."""
        gathered = [
            torch.zeros_like(self._base[name])
            if parameter.grad is None
            else parameter.grad.view(-1)[self._indices[name]]
            for name, parameter in self._parameters.items()
        ]
        self.values.grad = torch.cat([self.values[:0], *gathered])
        clip([self.values], self.settings.clip)
        clip(self._head, self.settings.clip)
        self.set_rates(step)
        self.optimizer.step()

    def settle(self) -> None:
        """Write the tuned values."""
        self.prepare(self.steps)

    def _quantises(self, step: int) -> bool:
        return self.settings.bits is not None and 2 * step >= self.steps

    def _as_packed(self) -> Tensor:
        assert self.settings.bits is not None
        values = self.values.cpu().numpy()
        changed = values != 0  # `pack` drops the others
        written = np.zeros_like(values)
        written[changed] = onto_levels(values[changed], self.settings.bits)[1]
        return torch.from_numpy(written).to(self.values.device)

    def tensors(self) -> tuple[TensorDiff, ...]:
        """The tuned diff, tensor by tensor."""
        return tuple(
            TensorDiff(name, tuple(parameter.shape), self._indices[name].cpu().numpy(), values.cpu().numpy())
            for (name, parameter), values in zip(
                self._parameters.items(), torch.split(self.values, self._sizes), strict=True
            )
        )

    def state(self) -> State:
        """The state after a whole step."""
        indices = {f"indices.{name}": indices for name, indices in self._indices.items()}
        return super().state() | indices | {"values": self.values}

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a `state`."""
        super().restore(state)
        self.values.copy_(state["values"])


def mask_in(state: Mapping[str, Tensor]) -> dict[str, NDArray[np.int64]]:
    """The mask that a `state` of the stage holds."""
    prefix = "indices."
    return {
        name.removeprefix(prefix): indices.cpu().numpy()
        for name, indices in state.items()
        if name.startswith(prefix)
    }
