"""One stage, step by step: the loss forward, its gradient backward, the stage's update."""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import accelerate
import numpy as np
import torch
from torch import Tensor

from edgediff.errors import TrainingError
from edgediff.score import Rows, Scores, predictions, score
from edgediff.train.batches import Batch, TokenRows
from edgediff.train.checkpoint import Checkpoint, write_checkpoint
from edgediff.train.memory import peak_memory, reset_peak_memory
from edgediff.train.model import TaskModel
from edgediff.train.settings import Precision, Settings
from edgediff.train.stage import Stage

Progress = Callable[[str, int, int, str], None]
"""Told of each step: what is under way, steps done, steps in all, a few words on how it goes."""

_HISTORY_POINTS = 100
_CHECKPOINT_SECONDS = 120.0
_SCORE_BATCH = 64


@dataclass
class Loop:
    """What all stages of a run share.

    Attributes:
        model: the encoder with its head, on the accelerator's device.
        rows: the tokenised training rows.
        settings: of the run.
        folder: the RUN folder, for checkpoints.
        identity: what a resumed run must have in common with this one.
        progress: told of each step.
        record: what `train.json` will hold of `stages` and `history`.
    """

    model: TaskModel
    rows: TokenRows
    settings: Settings
    folder: Path
    identity: dict[str, Any]
    progress: Progress
    accelerator: accelerate.Accelerator
    record: dict[str, Any] = field(default_factory=lambda: {"stages": [], "history": []})

    def __post_init__(self) -> None:
        """Settle what does not change from step to step."""
        self.steps_per_epoch = self.rows.steps_per_epoch(self.settings.batch_size)
        self.autocast = _wants_bf16(self.settings.precision, self.accelerator.device)
        self._epoch, self._order = -1, list[Tensor]()

    def run(self, stage: Stage, before: int, first: int = 0) -> None:
        """Run `stage` from its step `first`; `before` counts the steps of the stages before it."""
        self.model.train()
        reset_peak_memory(self.accelerator.device)
        times, saved = [], time.monotonic()
        for step in range(first, stage.steps):
            started = time.perf_counter()
            loss = self._step(stage, step, before + step)
            times.append(time.perf_counter() - started)
            self._tell(stage, step, loss)
            if time.monotonic() - saved > _CHECKPOINT_SECONDS:
                self.save(stage, step + 1)
                saved = time.monotonic()
        stage.settle()
        self.record["stages"].append(
            {
                "name": stage.name,
                "steps": stage.steps,
                "step_seconds": round(statistics.median(times), 4) if times else None,
                "peak_memory_bytes": peak_memory(self.accelerator.device),
            }
        )

    def save(self, stage: Stage, step: int) -> None:
        """Write a checkpoint after `step` whole steps of `stage`."""
        state = stage.state() | {
            "head.weight": self.model.head.weight,
            "head.bias": self.model.head.bias,
        }
        write_checkpoint(self.folder, Checkpoint(self.identity, stage.name, step, self.record, state))

    def score(self, rows: Rows, tokens: TokenRows) -> Scores:
        """The model's scores on labelled rows, in float32."""
        self.model.eval()
        logits = np.zeros((len(rows), self.model.task.outputs), np.float32)
        with torch.inference_mode():
            for chosen in tokens.in_order_of_length(_SCORE_BATCH):
                batch = tokens.batch(chosen, self.accelerator.device)
                logits[chosen.numpy()] = self.model(batch.inputs).float().cpu().numpy()
        return score(self.model.task, predictions(self.model.task, logits), rows.targets)

    def _step(self, stage: Stage, step: int, overall: int) -> float:
        # Dropout depends on the seed and the step alone, so that a resumed run draws as an unbroken one.
        torch.manual_seed(self.settings.seed * 1_000_003 + overall)
        batch = self._batch(overall)
        stage.prepare(step)
        self.model.zero_grad(set_to_none=True)
        with torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=self.autocast):
            loss = self.model.loss(batch.inputs, batch.targets)
        self.accelerator.backward(loss)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss is {value} at step {step + 1} of stage {stage.name}: try lower learning rates"
            )
        stage.update(step)
        return value

    def _batch(self, overall: int) -> Batch:
        epoch, number = divmod(overall, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = self.rows.training_order(self.settings.batch_size, self.settings.seed, epoch)
        return self.rows.batch(self._order[number], self.accelerator.device)

    def _tell(self, stage: Stage, step: int, loss: float) -> None:
        notes = {"loss": loss} | stage.note()
        text = "  ".join(f"{name} {value:.3g}" for name, value in notes.items())
        self.progress(stage.name, step + 1, stage.steps, text)
        if (step + 1) % max(stage.steps // _HISTORY_POINTS, 1) == 0 or step + 1 == stage.steps:
            self.record["history"].append({"stage": stage.name, "step": step + 1} | notes)


def _wants_bf16(precision: Precision, device: torch.device) -> bool:
    if precision is not Precision.AUTO:
        return precision is Precision.BF16
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
