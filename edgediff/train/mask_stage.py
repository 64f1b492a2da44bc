"""Stage 3: tune what is kept, the mask fixed (Guo, Rush, Kim, section 3.3: crucial for the score)."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgediff.diff import TensorDiff
from edgediff.pack.quantise import onto_levels
from edgediff.train.factors import Factors
from edgediff.train.model import TaskModel
from edgediff.train.settings import Settings
from edgediff.train.stage import Stage, State, adam, clip, learn_only


class MaskStage(Stage):
    """Tunes the values at fixed positions, and `factors` of products beside them, if any.

    Parameters without a kept entry take no part in the backward pass. So few values do not overfit as a
    dense model does, and learn more without dropout (`docs/training.md`).

    The kept values of all tensors lie in one vector, which begins at `start`, or at 0. The second half of
    the stage computes its loss with factors, and with `settings.value_bits` with values too, as the packed
    file will have them, and passes their gradient straight on to the exact ones (Bengio et al., arXiv
    1308.3432).
    """

    name = "mask"

    def __init__(
        self,
        model: TaskModel,
        mask: Mapping[str, NDArray[np.int64]],
        start: Mapping[str, NDArray[np.float32]] | None,
        settings: Settings,
        steps: int,
        factors: Factors | None = None,
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
        self.factors = factors
        groups = [([self.values], settings.tuning_rate, False), (self._head, settings.head_rate, False)]
        if factors is not None:
            groups.append((factors.tensors, settings.adapter_rate, False))
        self.optimizer = adam(groups)

    @torch.no_grad()
    def prepare(self, step: int) -> None:
        """Write `base + values` at the kept positions, and the factors."""
        as_packed = 2 * step >= self.steps
        if self.factors is not None:
            self.factors.write(as_packed)
        bits = self.settings.value_bits
        written = self.values if bits is None or not as_packed else self._as_packed(bits)
        for (name, parameter), values in zip(
            self._parameters.items(), torch.split(written, self._sizes), strict=True
        ):
            parameter.data.view(-1)[self._indices[name]] = self._base[name] + values

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Gather the gradients at the kept positions, clip, and step."""
        if self.factors is not None:
            self.factors.gather()
            clip(self.factors.tensors, self.settings.clip)
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
        """Write what was tuned."""
        self.prepare(self.steps)

    def _as_packed(self, bits: int) -> Tensor:
        values = self.values.cpu().numpy()
        changed = values != 0  # `pack` drops the others
        written = np.zeros_like(values)
        written[changed] = onto_levels(values[changed], bits)[1]
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
        factors = self.factors.state() if self.factors is not None else {}
        return super().state() | indices | {"values": self.values} | factors

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a `state`."""
        super().restore(state)
        self.values.copy_(state["values"])
        if self.factors is not None:
            self.factors.restore(state)


def mask_in(state: Mapping[str, Tensor]) -> dict[str, NDArray[np.int64]]:
    """The mask that a `state` of the stage holds."""
    prefix = "indices."
    return {
        name.removeprefix(prefix): indices.cpu().numpy()
        for name, indices in state.items()
        if name.startswith(prefix)
    }
