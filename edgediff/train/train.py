"""`edgediff train`: the three stages of diff pruning, in the order in which they happen."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import accelerate
import numpy as np
import torch

from edgediff.diff import Base, Diff, Task
from edgediff.encoder import Encoder, Tuned, load_encoder, load_tuned
from edgediff.errors import OutputError, RunError
from edgediff.format.run_folder import TRAIN_FILE, read_record, write_run
from edgediff.score import Rows, load_task, read_rows
from edgediff.score.rows import download_rows
from edgediff.train.batches import TokenRows
from edgediff.train.best import Best
from edgediff.train.checkpoint import CHECKPOINT_FILE, Checkpoint, read_checkpoint
from edgediff.train.choosers import GivenChooser
from edgediff.train.cut import Cut, Mask
from edgediff.train.lock import lock_folder
from edgediff.train.loop import CHECKPOINT_SECONDS, Loop, Progress
from edgediff.train.mask_stage import MaskStage, mask_in
from edgediff.train.methods import make_chooser, make_dense, parameters_of
from edgediff.train.model import make_model
from edgediff.train.notices import check_rows, notices, tensor_notices
from edgediff.train.record import identity_of, provenance_of, record_of
from edgediff.train.settings import Settings
from edgediff.train.stage import Chooser, Stage

_log = logging.getLogger(__name__)


def train(
    model: str | Path,
    run: str | Path,
    *,
    task: str | Path | Task,
    train: str | Path | None = None,
    dev: str | Path | None = None,
    settings: Settings | None = None,
    rows: int | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    tensorboard: bool = False,
    tuned: str | Path | None = None,
) -> dict[str, Any]:
    """Learn a task as a sparse diff over a frozen encoder; give the content of `RUN/train.json`.

    `run` becomes a RUN folder: `diff.safetensors` (for methods that give a diff), `task.json`, `train.json`.
    `train` and `dev` are labelled files; without them a built-in task is loaded with `datasets`. `rows`
    limits the training rows to a random sample, the same for every seed. With `resume`, an interrupted run
    goes on from its last checkpoint, and a finished one is returned as it is. With `tensorboard`, losses go
    to `RUN/tensorboard/` too. Started by `accelerate launch` or torchrun, all processes work on the one run.

    With `tuned`, a fine-tuned checkpoint of the same encoder, its difference is what is cut and tuned on, in
    place of what `settings.method` would find.

    Raises:
        SettingError, TaskError, DataError, ModelError: an argument that cannot be used.
        RunError: `run` exists (without `resume`), is in use, or cannot be resumed with these arguments.
        TrainingError: the loss is no longer a number.
        StoppedError: Ctrl-C came; the run can be resumed.
        OutputError: a file cannot be written.
    """
    settings = settings or Settings()
    folder = Path(run)
    accelerator = accelerate.Accelerator(
        log_with="tensorboard" if tensorboard else None, project_dir=str(folder) if tensorboard else None
    )
    exists = folder.exists()
    accelerator.wait_for_everyone()
    if exists and not resume:
        raise RunError(f"{folder} exists already: name a new RUN folder, or add --resume to go on with it")
    if (folder / TRAIN_FILE).is_file():
        return read_record(folder)
    definition = task if isinstance(task, Task) else load_task(task)
    train_rows = read_rows(train, definition, rows) if train else download_rows(definition, "train", rows)
    dev_rows = read_rows(dev, definition) if dev else download_rows(definition, "dev")
    check_rows(train_rows, definition)

    encoder = load_encoder(model)
    base = encoder.base()
    parameters_of(encoder, settings)  # refuses what leaves none, before anything is written
    sparse = settings.method.sparse or tuned is not None
    cut = Cut.of(base, definition, settings, tuned is not None) if sparse else None
    given = load_tuned(tuned, encoder, definition) if tuned is not None else None
    if given is not None and accelerator.is_main_process:
        for notice in tensor_notices(str(tuned), given):
            _log.warning(notice)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot create {folder}: {error.strerror or error}") from error
    with lock_folder(folder, accelerator):
        identity = identity_of(base, definition, settings, train_rows, given)
        checkpoint = read_checkpoint(folder, identity)
        if tensorboard:
            accelerator.init_trackers("tensorboard")
        loop = _loop(encoder, definition, settings, folder, (train_rows, dev_rows), accelerator)
        loop.identity, loop.progress = identity, progress or loop.progress
        loop.checkpoint_seconds = checkpoint_seconds
        if given is not None:
            loop.model.take_head(given.head)
        record = _train(loop, base, cut, given, checkpoint)
        if accelerator.is_main_process:
            (folder / CHECKPOINT_FILE).unlink(missing_ok=True)
        accelerator.end_training()
    return record


def _loop(
    encoder: Encoder,
    task: Task,
    settings: Settings,
    folder: Path,
    rows: tuple[Rows, Rows],
    accelerator: accelerate.Accelerator,
) -> Loop:
    tokens, dev = (TokenRows(part, encoder, task) for part in rows)
    if accelerator.is_main_process:
        for notice in (*notices(tokens, task, "training"), *notices(dev, task, "dev")):
            _log.warning(notice)
    model = make_model(encoder, task, settings.seed, rows[0]).to(accelerator.device)
    return Loop(model, tokens, dev, settings, folder, {}, lambda *_: None, accelerator)


def _train(
    loop: Loop, base: Base, cut: Cut | None, given: Tuned | None, checkpoint: Checkpoint | None
) -> dict[str, Any]:
    """Train, and write the run."""
    if checkpoint is not None:
        _restore_head(loop, checkpoint)
    diff = None
    if cut is not None:
        diff = _learn_diff(loop, cut, given, checkpoint)
    else:
        _learn_densely(loop, checkpoint)
    scores = loop.score()
    if diff is not None:
        diff = replace(
            diff, provenance=provenance_of(loop.settings, loop.model.task, scores, given is not None)
        )
    record = record_of(loop, base, diff, scores, given is not None)
    if loop.accelerator.is_main_process:
        write_run(loop.folder, diff, loop.model.task, record)
    loop.accelerator.wait_for_everyone()
    return record


def _learn_diff(loop: Loop, cut: Cut, given: Tuned | None, checkpoint: Checkpoint | None) -> Diff:
    """The paper's three stages: find what to change, keep the largest, tune what is kept."""
    settings, model = loop.settings, loop.model
    parameters = parameters_of(model.encoder, settings)
    choosing_steps = 0
    if given is None and settings.choosing:
        choosing_steps = max(round(loop.total_steps * settings.choosing), 1)  # in none, nothing is found
    tuning_steps = loop.total_steps - choosing_steps

    if checkpoint is None or checkpoint.stage != MaskStage.name:
        # Stage 1: find what a task needs; the paper by a relaxed L0 norm (sections 3.1 and 3.2).
        chooser: Chooser | None
        if given is not None:
            chooser = GivenChooser(given.difference, parameters, settings)
        else:
            chooser = make_chooser(model, parameters, loop.rows, settings, choosing_steps, cut.density)
        start = None
        if chooser is None:
            mask: Mask = {name: np.arange(p.numel()) for name, p in parameters.items()}
        else:
            loop.run(chooser, 0, _begin(chooser, checkpoint))
            loop.record["stages"][-1] |= chooser.note() | {"scores": loop.score()}

            # Stage 2: the exact density, by one threshold over the whole model (section 3.3).
            found = chooser.found()
            mask, start = cut.mask(found, model.head_arrays()), chooser.start(found)
            chooser.detach()
            del found, chooser
        mask_stage = MaskStage(model, mask, start, settings, tuning_steps)
        best = _best(settings)
        loop.save(mask_stage, 0, best)
        first = 0
    else:
        mask = mask_in(checkpoint.state)
        mask_stage, best = MaskStage(model, mask, None, settings, tuning_steps), _best(settings, checkpoint)
        first = _begin(mask_stage, checkpoint)

    # Stage 3: the mask stays, the values learn (section 3.3).
    loop.run(mask_stage, choosing_steps, first, best)
    return Diff(cut.base, model.task, mask_stage.tensors(), model.head_arrays())


def _learn_densely(loop: Loop, checkpoint: Checkpoint | None) -> None:
    """A method to compare with, in one stage."""
    parameters = parameters_of(loop.model.encoder, loop.settings)
    stage = make_dense(loop.model, parameters, loop.settings, loop.total_steps)
    trained = sum(p.numel() for p in loop.model.encoder.parameters() if p.requires_grad)
    loop.run(stage, 0, _begin(stage, checkpoint), _best(loop.settings, checkpoint))
    loop.record["trained_parameters"] = trained


def _best(settings: Settings, checkpoint: Checkpoint | None = None) -> Best | None:
    if settings.patience is None:
        return None
    best = Best(settings.patience)
    best.restore(checkpoint.state if checkpoint is not None else {})
    return best


def _begin(stage: Stage, checkpoint: Checkpoint | None) -> int:
    """Restore `stage` from the checkpoint, if there is one; give the step to go on with."""
    if checkpoint is None:
        return 0
    stage.restore(checkpoint.state)
    return checkpoint.step


def _restore_head(loop: Loop, checkpoint: Checkpoint) -> None:
    loop.record = checkpoint.record
    with torch.no_grad():
        loop.model.head.weight.copy_(checkpoint.state["head.weight"])
        loop.model.head.bias.copy_(checkpoint.state["head.bias"])
