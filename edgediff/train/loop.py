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
from accelerate.utils import gather_object
from numpy.typing import NDArray
from torch import Tensor

from edgediff.errors import StoppedError, TrainingError
from edgediff.score import Scores, predictions, score
from edgediff.train.batches import TokenRows, parts_of
from edgediff.train.best import Best
from edgediff.train.checkpoint import Checkpoint, write_checkpoint
from edgediff.train.interrupt import interruption
from edgediff.train.memory import peak_memory, reset_peak_memory
from edgediff.train.model import TaskModel
from edgediff.train.settings import Precision, Settings
from edgediff.train.stage import Stage

Progress = Callable[[str, int, int, str], None]
"""Told of each step: what is under way, steps done, steps in all, a few words on how it goes."""

CHECKPOINT_SECONDS = 120.0
_HISTORY_POINTS = 100
_SCORE_BATCH = 64


@dataclass
class Loop:
    """What all stages of a run share.

    With several processes each takes its part of every batch, gradients are added up, and all of them hold
    the same values at every step; the first one writes.

    Attributes:
        model: the encoder with its head, on the accelerator's device.
        rows: the training rows.
        dev: the rows to score.
        settings: of the run.
        folder: the RUN folder, for checkpoints.
        identity: what a resumed run must have in common with this one.
        progress: told of each step.
        accelerator: of this process.
        checkpoint_seconds: how often a checkpoint is written.
        record: what `train.json` will hold of `stages` and `history`.
    """

    model: TaskModel
    rows: TokenRows
    dev: TokenRows
    settings: Settings
    folder: Path
    identity: dict[str, Any]
    progress: Progress
    accelerator: accelerate.Accelerator
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    record: dict[str, Any] = field(default_factory=lambda: {"stages": [], "history": []})

    def __post_init__(self) -> None:
        """Settle what does not change from step to step."""
        self.steps_per_epoch = self.rows.steps_per_epoch(self.settings.batch_size)
        self.total_steps = max(round(self.settings.epochs * self.steps_per_epoch), 1)
        self.autocast = precision_of(self.settings, self.accelerator.device) is Precision.BF16
        self._epoch, self._order = -1, list[Tensor]()
        self._last_score: float | None = None

    def run(self, stage: Stage, before: int, first: int = 0, best: Best | None = None) -> None:
        """Run `stage` from its step `first`; `before` counts the steps of the stages before it.

        With `best`, the dev rows are scored after each epoch, and the best values are those that stay.

        Raises:
            TrainingError: the loss is no longer a number.
            StoppedError: Ctrl-C came; a checkpoint was written after the step under way.
        """
        self.model.train(stage.dropout)
        reset_peak_memory(self.accelerator.device)
        times, saved, done = [], time.monotonic(), first
        with interruption() as interrupted:
            for step in range(first, stage.steps):
                started = time.perf_counter()
                loss = self.step(stage, step, before + step)
                times.append(time.perf_counter() - started)
                self._tell(stage, step, loss)
                done = step + 1
                if best is not None and self._ends_epoch(before + done, done == stage.steps):
                    enough = self._see(stage, before + done, best)
                    if enough:
                        break
                if self._agree(interrupted()):
                    self.save(stage, done, best)
                    raise StoppedError(
                        f"stopped after step {done} of {stage.steps} of stage {stage.name}, nothing is lost:"
                        f" the same command with --resume goes on with {self.folder}"
                    )
                if self._agree(time.monotonic() - saved > self.checkpoint_seconds):
                    self.save(stage, done, best)
                    saved = time.monotonic()
        if best is not None:
            best.put_back(stage.learnt())
        stage.settle()
        self.record["stages"].append(
            {
                "name": stage.name,
                "steps": done,
                "step_seconds": round(statistics.median(times), 4) if times else None,
                "peak_memory_bytes": peak_memory(self.accelerator.device),
            }
        )

    def save(self, stage: Stage, step: int, best: Best | None = None) -> None:
        """Write a checkpoint after `step` whole steps of `stage`."""
        if self.accelerator.is_main_process:
            head = {"head.weight": self.model.head.weight, "head.bias": self.model.head.bias}
            state = stage.state() | head | (best.state() if best is not None else {})
            write_checkpoint(self.folder, Checkpoint(self.identity, stage.name, step, self.record, state))

    def score(self) -> Scores:
        """The model's scores on the dev rows, in float32."""
        dropout = self.model.training
        self.model.eval()
        mine: list[tuple[int, NDArray[np.float32]]] = []
        batches = self.dev.in_order_of_length(_SCORE_BATCH)
        with torch.inference_mode():
            for chosen in batches[self.accelerator.process_index :: self.accelerator.num_processes]:
                batch = self.dev.batch(chosen, self.accelerator.device)
                logits = self.model(batch.inputs).float().cpu().numpy()
                mine += zip(chosen.tolist(), logits, strict=True)
        self.model.train(dropout)
        per_token, features = self.model.task.per_token, self.dev.features
        found = dict(gather_object(mine) if self.accelerator.num_processes > 1 else mine)
        ordered = [found[i][: len(f)] if per_token else found[i] for i, f in enumerate(features)]
        return score(
            self.model.task, predictions(self.model.task, ordered, self.dev.rows, features), self.dev.rows
        )

    def step(self, stage: Stage, step: int, overall: int) -> float:
        """One step of `stage`, `overall` counting those of all stages; give its loss."""
        chosen = self._chosen(overall)
        stage.prepare(step)
        self.model.zero_grad(set_to_none=True)
        terms, value = self.rows.terms(chosen), 0.0
        for number, part in self._own_parts(chosen):
            # Dropout depends on the seed, the step and the part alone, so that a resumed run draws as an
            # unbroken one.
            torch.manual_seed(self.settings.seed * 1_000_003 + overall + number * 1_000_000_007)
            batch = self.rows.batch(part, self.accelerator.device)
            with torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=self.autocast):
                loss = self.model.loss(batch.inputs, batch.targets) / terms
            # Not accelerator.backward: it scales by what `accelerate config` says of another training.
            torch.autograd.backward(loss)
            value += float(loss.detach())
        if self.accelerator.num_processes > 1:
            value = self._add_up(value)
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss is {value} at step {step + 1} of stage {stage.name}: begin anew with lower"
                f" learning rates (the last checkpoint in {self.folder} is from before)"
            )
        stage.update(step)
        return value

    def _own_parts(self, chosen: Tensor) -> list[tuple[int, Tensor]]:
        """This process's parts of a batch, numbered over all processes."""
        each = self.settings.accumulation
        mine = range(self.accelerator.process_index * each, (self.accelerator.process_index + 1) * each)
        parts = parts_of(chosen, each * self.accelerator.num_processes)
        return [(number, part) for number, part in parts if number in mine]

    def _add_up(self, loss: float) -> float:
        """Replace each gradient by its sum over all processes; give the loss's sum."""
        for parameter in self.model.parameters():
            if parameter.requires_grad:
                own = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                parameter.grad = self.accelerator.reduce(own, "sum")
        total = torch.tensor(loss, dtype=torch.float64, device=self.accelerator.device)
        return float(self.accelerator.reduce(total, "sum"))

    def _agree(self, wish: bool) -> bool:
        """Whether the first process wishes it: all of them must do the same."""
        if self.accelerator.num_processes == 1:
            return wish
        return bool(accelerate.utils.broadcast_object_list([wish])[0])

    def _chosen(self, overall: int) -> Tensor:
        epoch, number = divmod(overall, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = self.rows.training_order(self.settings.batch_size, self.settings.seed, epoch)
        return self._order[number]

    def _ends_epoch(self, done: int, last: bool) -> bool:
        return last or done % self.steps_per_epoch == 0

    def _see(self, stage: Stage, done: int, best: Best) -> bool:
        stage.settle()
        value = self._last_score = self.score()[self.model.task.metric]
        self.record["history"].append({"stage": stage.name, "step": done, "score": value})
        return best.see(value, stage.learnt())

    def _tell(self, stage: Stage, step: int, loss: float) -> None:
        notes = {"loss": loss} | stage.note() | {"rate": stage.optimizer.param_groups[0]["lr"]}
        shown = notes | ({} if self._last_score is None else {"score": self._last_score})
        text = "  ".join(f"{name} {value:.3g}" for name, value in shown.items())
        self.progress(stage.name, step + 1, stage.steps, text)
        self.accelerator.log({f"{stage.name}/{name}": value for name, value in notes.items()}, step=step)
        if (step + 1) % max(stage.steps // _HISTORY_POINTS, 1) == 0 or step + 1 == stage.steps:
            self.record["history"].append({"stage": stage.name, "step": step + 1} | notes)


def precision_of(settings: Settings, device: torch.device) -> Precision:
    """The precision that `settings` ask for on `device`, never `auto`."""
    if settings.precision is not Precision.AUTO:
        return settings.precision
    if device.type == "cuda":
        able = torch.cuda.is_bf16_supported()
    else:
        capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        able = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return Precision.BF16 if able else Precision.FP32
