"""What is measured within one process: first uses, switches, runs and scores."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edgediff.bench.plan import Plan, TaskFile
from edgediff.bench.timing import in_turns, summary, timed
from edgediff.diff import Diff
from edgediff.format import read_dpf
from edgediff.format.bundle import Manifest
from edgediff.runtime import OpenBase, eval, load_session, open_base

_LOWEST_WORDS = 50
"""Token numbers below it are in every vocabulary; a run's time does not depend on which they are."""

_PAGE = 4096

_REST = 0.02
"""Seconds between runs on several threads: they go on spinning for a while, on the cores of the next one."""


def feeds(manifest: Manifest, tokens: int) -> dict[str, NDArray[np.int64]]:
    """Inputs of one row of so many tokens."""
    words = np.arange(tokens)[None, :] % _LOWEST_WORDS
    return {
        name: words if name == "input_ids" else np.full_like(words, name == "attention_mask")
        for name in manifest.inputs
    }


def score(plan: Plan, task: TaskFile) -> dict[str, Any]:
    """Every metric of a task on its rows.

    Raises:
        DataError: the rows cannot be read or do not fit the task.
    """
    assert task.data is not None
    found = eval(plan.base, task.path, task.data)
    return {"metric": found.metric, "score": found.score, "scores": found.scores, "rows": found.rows}


def first_use(plan: Plan, task: TaskFile, cache: Path) -> dict[str, Any]:
    """From a file whose header was read to a task that is active."""
    times = []
    with open_base(plan.base, threads=1, cache=cache) as base:
        for _ in range(plan.effort.starts + 1):
            base.add(task.path, task.name)
            times.append(timed(lambda: base.activate(task.name)))
            base.remove(task.name)
    return summary(times[1:])


def patch(plan: Plan, task: TaskFile, cache: Path) -> dict[str, Any]:
    """From the base to the task, and how many pages of the base's weights hold a changed parameter."""
    times = []
    with open_base(plan.base, threads=1, cache=cache) as base:
        base.add(task.path, task.name)
        for _ in range(plan.effort.rounds + 1):
            base.deactivate()
            times.append(timed(lambda: base.activate(task.name)))
    return summary(times[1:]) | {"pages": pages(plan.manifest, read_dpf(task.path))}


def pages(manifest: Manifest, diff: Diff) -> int:
    """How many pages of `weights.bin` the diff changes: rows and products lie together, entries scattered."""
    parameters = {parameter.name: parameter for parameter in manifest.parameters}
    touched = [np.empty(0, np.int64)]
    for tensor in diff.tensors:
        parameter, places = parameters[tensor.name], tensor.indices
        if parameter.transposed:
            rows, columns = tensor.shape
            places = places % columns * rows + places // columns
        touched.append(np.unique((parameter.offset + 4 * places) // _PAGE))
    for product in diff.products:
        parameter = parameters[product.name]
        touched.append(
            np.arange(parameter.offset // _PAGE, -(-(parameter.offset + parameter.length) // _PAGE))
        )
    return len(np.unique(np.concatenate(touched)))


def switches(plan: Plan, cache: Path) -> dict[str, Any]:
    """From one task to the next, against a session of its own for each, made by documented ways.

    A run of another session goes before each, and leaves none of these weights in the processor's caches.
    """
    diffs = [read_dpf(task.path) for task in plan.usable]
    other, own = load_session(plan.base, diffs[0], session_options=_options(1))
    row = {**feeds(plan.manifest, plan.lengths[0]), **own.feeds}

    def open_session(number: int) -> object:
        return load_session(plan.base, diffs[number % len(diffs)], session_options=_options(1))

    with open_base(plan.base, threads=1, cache=cache) as base:
        activate = _activations(base, plan.usable)
        run = partial(other.run, [own.output], row)
        switched = in_turns({"switch": activate}, plan.effort.rounds, before=run)
        opened = in_turns({"session": open_session}, plan.effort.rounds, before=run)
        return {**switched, **opened, "mode": base.mode}


def runs(plan: Plan, threads: int, cache: Path) -> dict[str, Any]:
    """Runs of one row by length, against an ordinary session that holds the first task alone."""
    task = plan.usable[0]
    rest = partial(time.sleep, _REST) if threads > 1 else None
    dedicated, own = load_session(plan.base, task.path, session_options=_options(threads))
    with open_base(plan.base, threads=threads, cache=cache) as base:
        name = base.add(task.path, task.name).name

        def compare(tokens: int) -> dict[str, Any]:
            row = feeds(plan.manifest, tokens)
            whole = {**row, **own.feeds}
            return in_turns(
                {
                    "task": lambda _: base.logits(name, row),
                    "dedicated": lambda _: dedicated.run([own.output], whole),
                },
                plan.effort.rounds,
                rest,
            )

        return {str(tokens): compare(tokens) for tokens in plan.lengths}


def equality(plan: Plan, cache: Path) -> dict[str, Any]:
    """Whether each task's logits are those of an ordinary session of its own, bit for bit, after switches."""
    row = feeds(plan.manifest, min(plan.lengths))
    with open_base(plan.base, threads=1, cache=cache) as base:
        activate = _activations(base, plan.usable)
        equal = {}
        for number, task in enumerate(plan.usable):
            activate(number + 1)
            activate(number)
            session, own = load_session(plan.base, task.path, session_options=_options(1))
            (wanted,) = session.run([own.output], {**row, **own.feeds})
            equal[task.name] = bool(np.array_equal(base.logits(task.name, row), wanted))
    return {"bit_equal": equal}


def _activations(base: OpenBase, tasks: list[TaskFile]) -> Callable[[int], object]:
    """Go to the next task; if there is but one, from it to the base and back."""
    names = [base.add(task.path, task.name).name for task in tasks]
    for name in names:
        base.activate(name)  # a first use is measured elsewhere
    if len(names) > 1:
        return lambda number: base.activate(names[number % len(names)])
    return lambda number: base.deactivate() if number % 2 else base.activate(names[0])


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return options
