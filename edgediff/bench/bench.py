"""`edgediff bench`: every measurement of a plan, kept as soon as it is taken, then the reports."""

import json
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from edgediff.bench import in_process, processes
from edgediff.bench.machine import machine
from edgediff.bench.plan import Plan
from edgediff.bench.report import write_reports
from edgediff.errors import DataError, OutputError, StoppedError
from edgediff.files import write_atomic

RESULTS_FILE = "report.json"
FORMAT_VERSION = 1

Results = dict[str, Any]
Progress = Callable[[str, int, int, str], None]
"""Told of ("bench", measurements done, measurements in all, the next one's name)."""


def bench(plan: Plan, out: Path, *, resume: bool = False, progress: Progress | None = None) -> Results:
    """Measure all of `plan` and write `report.json`, `report.md` and `report.html` into the folder `out`.

    Each measurement is in `report.json` as soon as it is taken; `resume` goes on with a folder of the same
    plan that was not finished. A score that cannot be had is reported with its reason.

    Raises:
        OutputError: `out` exists and is not to be resumed, is of another plan, or cannot be written.
        StoppedError: Ctrl-C; what was measured is kept.
        BundleError, FormatError: a file was changed or damaged meanwhile.
    """
    results = _begin(plan, out, resume)
    measured = results["measured"]
    with tempfile.TemporaryDirectory(prefix="edgediff-bench-") as scratch:
        todo = list(_measurements(plan, Path(scratch)))
        try:
            for number, (name, measure) in enumerate(todo):
                if progress is not None:
                    progress("bench", number, len(todo), name)
                if name not in measured:
                    measured[name] = measure()
                    _keep(results, out)
        except KeyboardInterrupt as error:
            raise StoppedError(
                f"stopped before {name}, nothing is lost: the same command with --resume goes on with {out}"
            ) from error
    if progress is not None:
        progress("bench", len(todo), len(todo), "")
    results["complete"] = True
    _keep(results, out)
    write_reports(results, out)
    return results


def _measurements(plan: Plan, cache: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every measurement by name, in order."""
    for task in plan.usable:
        yield f"first use of {task.name}", partial(in_process.first_use, plan, task, cache)
        yield f"patch of {task.name}", partial(in_process.patch, plan, task, cache)
    yield "equality", partial(in_process.equality, plan, cache)
    yield "switches", partial(in_process.switches, plan, cache)
    for threads in plan.effort.threads:
        yield f"runs on {threads} threads", partial(in_process.runs, plan, threads, cache)
    yield "starts", partial(processes.starts, plan, cache, cold=False)
    yield "cold starts", partial(processes.starts, plan, cache, cold=True)
    yield "memory", partial(processes.memory, plan, cache, all_words=False)
    yield "memory in full use", partial(processes.memory, plan, cache, all_words=True)
    for task in plan.usable:
        if task.data is not None:
            yield f"score of {task.name}", partial(_score, plan, task)


def _score(plan: Plan, task: Any) -> dict[str, Any]:
    try:
        return in_process.score(plan, task)
    except DataError as error:
        return {"refused": str(error)}


def _begin(plan: Plan, out: Path, resume: bool) -> Results:
    identity = plan.identity()
    if not resume:
        try:
            out.mkdir(parents=True)
        except FileExistsError as error:
            raise OutputError(
                f"{out} exists already: name a folder that does not exist, or add --resume"
            ) from error
        except OSError as error:
            raise OutputError(f"cannot write {out}: {error.strerror or error}") from error
        tasks = {
            task.name: {"file": str(task.path), "refused": task.refused, "about": task.about}
            for task in plan.tasks
        }
        fresh = {"format_version": FORMAT_VERSION, "complete": False, "identity": identity}
        fresh |= {"machine": machine(), "base": str(plan.base), "tasks": tasks, "measured": {}}
        _keep(fresh, out)  # from here on there is something to resume
        return fresh
    try:
        found: Results = json.loads((out / RESULTS_FILE).read_text("utf-8"))
        same = found["identity"] == identity
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{out} holds no {RESULTS_FILE} that can be resumed: {error!r:.120}") from error
    if not same:
        raise OutputError(f"{out} was measured with other files or another effort: name another folder")
    return found


def _keep(results: Results, out: Path) -> None:
    write_atomic(out / RESULTS_FILE, (json.dumps(results, indent=1) + "\n").encode())
