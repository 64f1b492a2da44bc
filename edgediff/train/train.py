"""`edgediff train`: from labelled rows to a RUN folder."""

import atexit
import logging
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import accelerate

from edgediff.diff import Base, Task
from edgediff.encoder import Tuned, load_encoder, load_tuned
from edgediff.errors import OutputError, RunError, SettingError
from edgediff.format.run_folder import TRAIN_FILE, read_record, write_run
from edgediff.score import load_task, read_rows
from edgediff.score.rows import download_rows
from edgediff.train.batches import TokenRows
from edgediff.train.checkpoint import CHECKPOINT_FILE, Checkpoint, difference, read_checkpoint, remove_parts
from edgediff.train.cut import Cut
from edgediff.train.learn import learn_densely, learn_diff, restore
from edgediff.train.lock import lock_folder
from edgediff.train.loop import CHECKPOINT_SECONDS, Loop, Progress
from edgediff.train.methods import parameters_of, weights_of
from edgediff.train.model import make_model
from edgediff.train.notices import check_rows, given_notices, notices
from edgediff.train.record import identity_of, provenance_of, record_of
from edgediff.train.settings import Precision, Settings

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

    `run` becomes a RUN folder: `task.json`, `train.json`, and `diff.safetensors`, or for methods that
    give no diff `weights.safetensors`, what was trained by name. `train` and `dev` are labelled files;
    without them a built-in task is loaded with `datasets`. `rows` limits the training rows to a random
    sample, the same for every seed. With `resume`, an interrupted run goes on from its last checkpoint,
    and a finished one of the same arguments is returned as it is. With `tensorboard`, losses go to
    `RUN/tensorboard/` too. Started by `accelerate launch` or torchrun, all processes work on the one run.

    With `tuned`, a fine-tuned checkpoint of the same encoder, its difference is what is cut and tuned on, in
    place of what `settings.method`, one that keeps some of the entries and no more, would find.

    Raises:
        SettingError, TaskError, DataError, ModelError: an argument that cannot be used.
        RunError: `run` exists (without `resume`), is in use, or is of other arguments.
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
    if tuned is not None and (settings.method.learns_products or not settings.method.masked):
        raise SettingError(
            f"a difference that is given cannot be kept in part by the method {settings.method}"
        )
    finished = read_record(folder) if (folder / TRAIN_FILE).is_file() else None
    definition = task if isinstance(task, Task) else load_task(task)
    train_rows = read_rows(train, definition, rows) if train else download_rows(definition, "train", rows)
    dev_rows = read_rows(dev, definition) if dev else download_rows(definition, "dev")
    check_rows(train_rows, definition)

    encoder = load_encoder(model)
    base = encoder.base()
    given = load_tuned(tuned, encoder, definition) if tuned is not None else None
    identity = identity_of(base, definition, settings, train_rows, dev_rows, given, accelerator)
    if finished is not None:
        _check_finished(folder, finished, identity, settings)
        with suppress(OSError):  # of a process that was killed right after it had finished
            (folder / CHECKPOINT_FILE).unlink()
        return finished
    parameters_of(encoder, settings)  # refuses what leaves none, before anything is written
    sparse = settings.method.sparse or tuned is not None
    weights = weights_of(encoder, settings)
    cut = Cut.of(base, definition, settings, weights, tuned is not None) if sparse else None
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot create {folder}: {error.strerror or error}") from error
    with lock_folder(folder, accelerator):
        if accelerator.is_main_process:
            if (folder / TRAIN_FILE).is_file():
                raise RunError(f"{folder} was finished by another process meanwhile: add --resume to read it")
            remove_parts(folder)
        checkpoint = read_checkpoint(folder, identity)
        if tensorboard:
            accelerator.init_trackers("tensorboard")
        loop = Loop(
            model=make_model(encoder, definition, settings.seed, train_rows).to(accelerator.device),
            rows=TokenRows(train_rows, encoder, definition),
            dev=TokenRows(dev_rows, encoder, definition),
            settings=settings,
            folder=folder,
            identity=identity,
            progress=progress or (lambda *_: None),
            accelerator=accelerator,
            checkpoint_seconds=checkpoint_seconds,
        )
        _warn(loop, given, tuned)
        record = _run(loop, base, cut, given, checkpoint)
        if accelerator.is_main_process:
            (folder / CHECKPOINT_FILE).unlink(missing_ok=True)
        _finish(accelerator)
    return record


def _check_finished(
    folder: Path, record: dict[str, Any], identity: dict[str, Any], settings: Settings
) -> None:
    """Refuse a finished run of other arguments; where it was trained and by which version is no matter."""
    if not isinstance(record.get("identity"), dict):
        raise RunError(f"{folder} is finished and does not say what it was trained on: name a new RUN folder")
    place = {"edgediff", "processes"} | ({"precision"} if settings.precision is Precision.AUTO else set())
    asked = {name: value for name, value in identity.items() if name not in place}
    if (differs := difference(record["identity"], asked)) is not None:
        name, found, wanted = differs
        raise RunError(
            f"{folder} is finished and was trained with {name} {found!r:.80}, not {wanted!r:.80}:"
            " name a new RUN folder"
        )


def _run(
    loop: Loop, base: Base, cut: Cut | None, given: Tuned | None, checkpoint: Checkpoint | None
) -> dict[str, Any]:
    """Learn, score and write the run."""
    if given is not None:
        loop.model.take_head(given.head)
    if checkpoint is not None:
        restore(loop, checkpoint)
    diff = weights = None
    if cut is not None:
        diff = learn_diff(loop, cut, given, checkpoint)
    else:
        weights = learn_densely(loop, checkpoint)
    scores = loop.score()
    if diff is not None:
        provenance = provenance_of(loop.settings, loop.model.task, scores, given is not None)
        if not diff.products:
            provenance.pop("rank", None)
        diff = replace(diff, provenance=provenance)
    record = record_of(loop, base, diff, scores, given is not None)
    if loop.accelerator.is_main_process:
        write_run(loop.folder, diff, loop.model.task, record, weights)
    loop.accelerator.wait_for_everyone()
    return record


def _warn(loop: Loop, given: Tuned | None, tuned: str | Path | None) -> None:
    """Say, once, what a person should know of the rows and of the checkpoint."""
    if not loop.accelerator.is_main_process:
        return
    task = loop.model.task
    found = [*notices(loop.rows, task, "training"), *notices(loop.dev, task, "dev")]
    if given is not None:
        found += given_notices(str(tuned), given, task)
    for notice in found:
        _log.warning(notice)


def _finish(accelerator: accelerate.Accelerator) -> None:
    """End what watches the run; processes stay joined until they end, as they may train another one."""
    for tracker in accelerator.trackers:
        tracker.finish()
    if accelerator.num_processes > 1:
        atexit.register(accelerator.state.destroy_process_group)
