"""Stage 1: learn w and its gates (Guo, Rush, Kim, sections 3.1 and 3.2)."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgediff.train import gates
from edgediff.train.feedback import L0Feedback
from edgediff.train.gated_lines import GatedLines
from edgediff.train.gated_tensor import CHUNK, GatedTensor
from edgediff.train.model import TaskModel
from edgediff.train.noise import NoisePool, NoiseSlices
from edgediff.train.settings import L0Form, Method, Settings, Shape
from edgediff.train.stage import Chooser, Parameters, State, adam, clip, clip_known, learn_only


class GateStage(Chooser):
    """Learns which entries a task needs.

    For the method `structured` every matrix and every vector is a group with a gate of its own, on top of
    those of its entries; for `diff` the groups' gates are 1 and stay so.

    In a step whose sample closes a group's gate, no gradient can reach its entries, so they rest: the
    backward pass leaves the parameter out, and neither w nor its gates move. What the L0 term would have done
    to them is done in the steps that find the group open, at full weight in place of the group's probability
    of being open: the same on average, and most groups of a trained run are closed in most steps.

    With the shape `row`, whole rows and columns have a gate in the place of their entries.
    """

    name = "gates"

    def __init__(
        self,
        model: TaskModel,
        parameters: Parameters,
        token_ids: Tensor,
        settings: Settings,
        steps: int,
        density: float,
    ) -> None:
        """`token_ids` are those of the rows; `density` is the share that the cut will keep."""
        super().__init__(settings, steps)
        learn_only(model.encoder, parameters.values())
        embedding = model.encoder.model.get_input_embeddings().weight
        gated = GatedLines if settings.shape is Shape.ROW else GatedTensor
        self.tensors: list[GatedTensor] = [
            gated.of(name, p, token_ids.to(p.device) if p is embedding else None)
            for name, p in parameters.items()
        ]
        device = model.head.weight.device
        self.structured = settings.method is Method.STRUCTURED
        self._product = settings.l0_form is L0Form.PRODUCT
        self.group_log_alpha = torch.full((len(parameters),), gates.START_LOG_ALPHA, device=device)
        self._head: list[Tensor] = list(model.head.parameters())
        self._noise = NoisePool(settings.seed, device)
        self._scratch = gates.Scratch.of(CHUNK, self.group_log_alpha)
        self._total = sum(p.numel() for p in model.encoder.model.parameters())
        # The expected number of open entries of each group, as of the last step that found the group open.
        self._expected = torch.tensor([float(t.w.numel()) for t in self.tensors], dtype=torch.float64)
        self._at_base: set[str] = set()  # parameters that hold the base's own values
        live = float(self._expected.sum()) / self._total
        self._feedback = L0Feedback(live, settings.open_factor * density, steps)
        self.open_share = live
        w, log_alpha = [t.w for t in self.tensors], [t.log_alpha for t in self.tensors]
        self.optimizer = adam(
            [
                (w, settings.gate_rate, False),
                ([*log_alpha, *self._groups()], settings.log_alpha_rate, True),
                (self._head, settings.head_rate, False),
            ]
        )

    @torch.no_grad()
    def prepare(self, step: int) -> None:
        """Sample the gates of `step` and write `base + w * z * z_group` into the model."""
        noise, group_gates, _ = self._draw(step)
        for tensor, group in zip(self.tensors, group_gates.tolist(), strict=True):
            tensor.w.grad = None  # it is the last step's weight gradient; free it before the next one
            tensor.parameter.requires_grad_(not self._rests(group))
            if self._rests(group):
                self._write_base(tensor)
                continue
            self._at_base.discard(tensor.name)
            tensor.patch(noise, group, self._scratch)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Carry the gradients on to w and the gates, clip each kind on its own, and step."""
        noise, group_gates, group_noise = self._draw(step)
        l0_weight = self._feedback.weight
        open_groups = self._open_groups()
        sums = []
        for number, (tensor, group) in enumerate(zip(self.tensors, group_gates.tolist(), strict=True)):
            if self._rests(group):
                tensor.log_alpha.grad = None
                sums.append(gates.ChunkSums())
            else:
                sums.append(tensor.backward(noise, group, l0_weight, self._scratch))
                self._expected[number] = sums[-1].expected
        counts = self._expected.to(open_groups)
        squares = sum(each.grad_log_alpha for each in sums)
        if self.structured:
            self.group_log_alpha.grad = gates.backward_group(
                self.group_log_alpha,
                group_noise,
                torch.tensor([each.group_dot for each in sums], device=open_groups.device),
                counts if self._product else torch.ones_like(counts),
                l0_weight,
            )
            squares += float(self.group_log_alpha.grad.square().sum())
        clip_known([t.w for t in self.tensors], sum(each.grad_w for each in sums), self.settings.clip)
        clip_known([*(t.log_alpha for t in self.tensors), *self._groups()], squares, self.settings.clip)
        clip(self._head, self.settings.clip)
        self.set_rates(step)
        self.optimizer.step()
        self.open_share = float((counts * open_groups).sum()) / self._total
        self._feedback.update(step, self.open_share)

    @torch.no_grad()
    def settle(self) -> None:
        """Write the weights with the gates at their expectation."""
        self._at_base.clear()
        for tensor, gated in zip(self.tensors, self._gated_values(), strict=True):
            tensor.write(tensor.base + gated)

    @torch.no_grad()
    def found(self) -> dict[str, NDArray[np.float32]]:
        """`w * z` without noise."""
        return {
            tensor.name: tensor.full(gated).cpu().numpy()
            for tensor, gated in zip(self.tensors, self._gated_values(), strict=True)
        }

    def start(self, found: Mapping[str, NDArray[np.float32]]) -> Mapping[str, NDArray[np.float32]]:
        """Tuning goes on from `w * z`, as in the paper's text."""
        return found

    @torch.no_grad()
    def detach(self) -> None:
        """Put the base's own values back into the model, bit for bit."""
        for tensor in self.tensors:
            self._write_base(tensor)

    def note(self) -> dict[str, float]:
        """The share of open gates and the weight that steers it."""
        return {"open_share": self.open_share, "l0_weight": self._feedback.weight}

    def state(self) -> State:
        """The state after a whole step."""
        learnt = {f"w.{t.name}": t.w for t in self.tensors}
        learnt |= {f"log_alpha.{t.name}": t.log_alpha for t in self.tensors}
        steering = torch.tensor([*self._feedback.state(), self.open_share], dtype=torch.float64)
        return (
            super().state()
            | learnt
            | {"group_log_alpha": self.group_log_alpha, "steering": steering, "expected": self._expected}
        )

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a `state`."""
        super().restore(state)
        for tensor in self.tensors:
            tensor.w.copy_(state[f"w.{tensor.name}"])
            tensor.log_alpha.copy_(state[f"log_alpha.{tensor.name}"])
        self.group_log_alpha.copy_(state["group_log_alpha"])
        self._expected.copy_(state["expected"])
        weight, error, self.open_share = state["steering"].tolist()
        self._feedback.restore((weight, error))

    def _rests(self, group: float) -> bool:
        """Whether a group with this gate rests for the step; the sum of gates counts closed groups' too."""
        return group == 0 and self._product

    def _write_base(self, tensor: GatedTensor) -> None:
        if tensor.name in self._at_base:
            return
        tensor.write(tensor.base)
        self._at_base.add(tensor.name)

    def _draw(self, step: int) -> tuple[NoiseSlices, Tensor, Tensor]:
        """The step's noise for the entries, the groups' gates, and the noise these were drawn with."""
        noise = self._noise.slices(step)
        group_noise = noise.next(len(self.group_log_alpha))
        if not self.structured:
            return noise, torch.ones_like(group_noise), group_noise
        scratch = gates.Scratch.of(len(group_noise), group_noise)
        return noise, gates.sample_gates(self.group_log_alpha, group_noise, scratch), group_noise

    def _groups(self) -> list[Tensor]:
        """The groups' log_alpha, if they learn."""
        return [self.group_log_alpha] if self.structured else []

    def _open_groups(self) -> Tensor:
        """The probability of each group's gate to be open."""
        ones = torch.ones_like(self.group_log_alpha)
        return gates.open_probability(self.group_log_alpha) if self.structured else ones

    def _gated_values(self) -> Iterator[Tensor]:
        group_gates = torch.ones_like(self.group_log_alpha)
        if self.structured:
            group_gates = gates.expected_gates(self.group_log_alpha)
        for tensor, group in zip(self.tensors, group_gates, strict=True):
            yield tensor.gated() * group
