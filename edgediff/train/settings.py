"""Every setting of a training run, with the values that work on MiniLM-sized encoders."""

from dataclasses import dataclass
from enum import StrEnum

from edgediff.errors import SettingError


class Method(StrEnum):
    """How the task is learnt."""

    STRUCTURED = "structured"  # diff pruning with a gate for each entry and one for each matrix or vector
    FULL = "full"  # plain fine-tuning of every parameter: a score to compare with, no diff


class Precision(StrEnum):
    """The arithmetic of the forward and backward pass; parameters and updates are always float32."""

    AUTO = "auto"  # bf16 where the processor has instructions for it
    FP32 = "fp32"
    BF16 = "bf16"


@dataclass(frozen=True)
class Settings:
    """The settings of one run; all that decides its result besides model, task and rows.

    Attributes:
        method: how the task is learnt.
        density: the share of the encoder's parameters that may change, in (0, 1].
        epochs: passes over the rows, all stages together.
        batch_size: rows a step.
        seed: of the head, the order of rows, dropout and the gates' noise.
        precision: of the forward and backward pass.
        gate_share: the share of all steps that goes to the gates; the rest tunes the kept values.
        gate_rate: peak learning rate of w while the gates are learnt.
        log_alpha_rate: constant learning rate of the gates.
        mask_rate: peak learning rate of the kept values; many times that of dense fine-tuning is right.
        full_rate: peak learning rate of every parameter, for the method `full`.
        head_rate: peak learning rate of the head, in all stages.
        open_factor: gates are driven to `open_factor * density` open ones before the cut.
        warmup: the share of a stage's steps in which rates rise from 0; then they fall linearly.
        clip: each group of gradients is scaled down to this norm.
    """

    method: Method = Method.STRUCTURED
    density: float = 0.005
    epochs: float = 5.0
    batch_size: int = 32
    seed: int = 0
    precision: Precision = Precision.AUTO
    gate_share: float = 0.5
    gate_rate: float = 2e-4
    log_alpha_rate: float = 0.1
    mask_rate: float = 1e-3
    full_rate: float = 2e-4
    head_rate: float = 1e-3
    open_factor: float = 6.0
    warmup: float = 0.06
    clip: float = 1.0

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            SettingError: a value is out of its range.
        """
        if not 0 < self.density <= 1:
            raise SettingError(f"density is {self.density}, expected a number above 0 and at most 1")
        for name in ("epochs", "batch_size", "gate_rate", "mask_rate", "full_rate", "head_rate", "clip"):
            if not getattr(self, name) > 0:
                raise SettingError(f"{name} is {getattr(self, name)}, expected a number above 0")
        for name in ("gate_share", "warmup"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingError(f"{name} is {getattr(self, name)}, expected a number from 0 to below 1")


def rate_at(peak: float, step: int, steps: int, warmup: float) -> float:
    """The learning rate of a step: up from 0 within the warm-up, then linearly down to 0."""
    rising = max(round(warmup * steps), 1)
    if step < rising:
        return peak * (step + 1) / rising
    return peak * (steps - step) / max(steps - rising, 1)
