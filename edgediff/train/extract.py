"""`edgediff extract`: a diff from a checkpoint that somebody fine-tuned already."""

import logging
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from edgediff.diff import Diff, Task, TensorDiff
from edgediff.encoder import load_encoder, load_tuned
from edgediff.errors import ModelError, OutputError, RunError, SettingError
from edgediff.format.run_folder import write_run
from edgediff.score import load_task
from edgediff.train.cut import Cut
from edgediff.train.loop import Progress
from edgediff.train.methods import parameters_of
from edgediff.train.notices import tensor_notices
from edgediff.train.record import EXTRACT, provenance_of
from edgediff.train.settings import Method, Settings
from edgediff.train.train import train as train_task

_log = logging.getLogger(__name__)


def extract(
    model: str | Path,
    tuned: str | Path,
    run: str | Path,
    *,
    task: str | Path | Task,
    train: str | Path | None = None,
    dev: str | Path | None = None,
    settings: Settings | None = None,
    rows: int | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Make the RUN folder `run` from the checkpoint folder `tuned`, fine-tuned from `model`.

    Its difference is cut to `settings.density` (None: 0.005) or `settings.size`. Without `train` and `dev`
    that is all, and costs score; with them the kept values are tuned on for `settings.epochs`, as in the
    third stage of `train`. `settings.method` says nothing here.

    Raises:
        SettingError, TaskError, DataError, RunError, TrainingError, StoppedError, OutputError: as `train`.
        ModelError: the checkpoint does not fit the encoder, or has no linear head and there are no rows to
            learn one from.
    """
    # What `magnitude` does with the difference of its own dense run, at the same rate.
    settings = replace(settings or Settings(), method=Method.MAGNITUDE)
    if (train is None) != (dev is None):
        raise SettingError("give train and dev, or neither: rows to tune on need rows to score on")
    if train is not None:
        return train_task(
            model,
            run,
            task=task,
            train=train,
            dev=dev,
            settings=settings,
            rows=rows,
            resume=resume,
            progress=progress,
            tuned=tuned,
        )
    folder = Path(run)
    if folder.exists():
        raise RunError(f"{folder} exists already: name a new RUN folder")
    definition = task if isinstance(task, Task) else load_task(task)
    encoder = load_encoder(model)
    base = encoder.base()
    parameters = parameters_of(encoder, settings)
    cut = Cut.of(base, definition, settings, {}, given=True)
    given = load_tuned(tuned, encoder, definition)
    for notice in tensor_notices(str(tuned), given):
        _log.warning(notice)
    if given.head is None:
        raise ModelError(
            f"{tuned} has no linear head of {definition.outputs} outputs for task {definition.name!r}:"
            " give rows to learn one from"
        )
    allowed = {name: given.difference[name] for name in parameters}
    tensors = tuple(
        TensorDiff(name, allowed[name].shape, indices, allowed[name].reshape(-1)[indices])
        for name, indices in cut.mask(allowed, given.head).items()
    )
    diff = Diff(base, definition, tensors, given.head, provenance_of(settings, definition, {}, given=True))
    record = {
        "method": EXTRACT,
        "task": definition.name,
        "metric": definition.metric,
        "scores": {},
        "base": asdict(base),
        "nnz": diff.nnz,
        "density": diff.density,
        "settings": asdict(settings),
    }
    try:
        folder.mkdir()
    except OSError as error:
        raise OutputError(f"cannot create {folder}: {error.strerror or error}") from error
    write_run(folder, diff, definition, record)
    return record
