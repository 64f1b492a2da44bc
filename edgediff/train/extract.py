"""`edgediff extract`: a diff from a checkpoint that somebody fine-tuned already."""

import logging
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from edgediff.diff import Diff, Task, TensorDiff
from edgediff.encoder import Adapter, Encoder, Tuned, is_adapter, load_adapter, load_encoder, load_tuned
from edgediff.errors import ModelError, OutputError, RunError, SettingError
from edgediff.format.run_folder import write_run
from edgediff.score import load_task
from edgediff.train.cut import Cut
from edgediff.train.loop import Progress
from edgediff.train.methods import parameters_of
from edgediff.train.notices import given_notices
from edgediff.train.record import EXTRACT, provenance_of
from edgediff.train.settings import Method, Settings, Shape
from edgediff.train.train import train as train_task

_log = logging.getLogger(__name__)
ADAPTER_BITS = 4
"""A factor's number has so many unless `pack` is told otherwise: it was not learnt with fewer."""


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
    """Make the RUN folder `run` from the checkpoint or adapter folder `tuned`, fine-tuned from `model`.

    Its difference is cut to `settings.density` (None: 0.005) or `settings.size`. Without `train` and `dev`
    that is all, and costs score; with them the kept values are tuned on for `settings.epochs`, as in the
    third stage of `train`. `settings.method` says nothing here. A LoRA adapter that PEFT saved is taken as it
    is, its products beside what it holds whole, and has no use for rows and density.

    Raises:
        SettingError, TaskError, DataError, RunError, TrainingError, StoppedError, OutputError: as `train`.
        ModelError: the checkpoint does not fit the encoder, or has no linear head and there are no rows to
            learn one from; or the adapter is none of LoRA's.
    """
    # What `magnitude` does with the difference of its own dense run, at the same rate.
    settings = replace(settings or Settings(), method=Method.MAGNITUDE)
    if (train is None) != (dev is None):
        raise SettingError("give train and dev, or neither: rows to tune on need rows to score on")
    if train is None and rows is not None:
        raise SettingError(f"rows is {rows}, of a file of rows to tune on, which is not given")
    adapter = is_adapter(tuned)
    if adapter and (settings.density is not None or settings.shape is not Shape.ENTRY):
        raise SettingError(f"{tuned} is an adapter, which is taken as it is: give no density and no shape")
    if train is not None and adapter:
        raise SettingError(f"{tuned} is an adapter, which is taken as it is: give no rows")
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
    if adapter:
        settings = replace(settings, bits=settings.bits or ADAPTER_BITS)
    diff = (_taken if adapter else _cut)(tuned, encoder, definition, settings)
    record = {
        "method": EXTRACT,
        "task": definition.name,
        "metric": definition.metric,
        "scores": {},
        "base": asdict(diff.base),
        "nnz": diff.nnz,
        "factors": diff.size - diff.nnz,
        "density": diff.density,
        "settings": asdict(settings),
    }
    try:
        folder.mkdir()
    except OSError as error:
        raise OutputError(f"cannot create {folder}: {error.strerror or error}") from error
    write_run(folder, diff, definition, record)
    return record


def _cut(tuned: str | Path, encoder: Encoder, task: Task, settings: Settings) -> Diff:
    """The largest of a checkpoint's difference."""
    parameters = parameters_of(encoder, settings)
    cut = Cut.of(encoder.base(), task, settings, {}, given=True)
    given = load_tuned(tuned, encoder, task)
    _warn(tuned, given, task)
    if given.head is None:
        raise ModelError(f"{_no_head(tuned, task)}: give rows to learn one from")
    allowed = {name: given.difference[name] for name in parameters}
    tensors = tuple(
        TensorDiff(name, allowed[name].shape, indices, allowed[name].reshape(-1)[indices])
        for name, indices in cut.mask(allowed, allowed, given.head).items()
    )
    return Diff(cut.base, task, tensors, given.head, provenance_of(settings, task, {}, given=True))


def _taken(adapter: str | Path, encoder: Encoder, task: Task, settings: Settings) -> Diff:
    """A LoRA adapter's products as they are."""
    parameters = parameters_of(encoder, settings)
    given = load_adapter(adapter, encoder, task)
    _warn(adapter, given, task)
    if given.head is None:
        raise ModelError(_no_head(adapter, task))
    provenance = provenance_of(settings, task, {}, given=True)
    provenance.pop("density", None)
    tensors = tuple(each for each in given.tensors if each.name in parameters)
    products = tuple(each for each in given.products if each.name in parameters)
    return Diff(encoder.base(), task, tensors, given.head, provenance, products=products)


def _no_head(folder: str | Path, task: Task) -> str:
    return f"{folder} has no linear head of {task.outputs} outputs for task {task.name!r}"


def _warn(folder: str | Path, given: Tuned | Adapter, task: Task) -> None:
    for notice in given_notices(str(folder), given, task):
        _log.warning(notice)
