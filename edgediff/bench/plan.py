"""What a benchmark measures: which tasks, and how often."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgediff.errors import BaseMismatchError, DataError, FormatError, SettingError
from edgediff.files import sha256
from edgediff.format import inspect
from edgediff.format.bundle import Manifest, read_manifest
from edgediff.runtime.session import read_fitting


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        lengths: tokens a run.
        threads: onnxruntime's threads within a run.
        rounds: how often each run and each switch is timed.
        starts: how many processes are started for each figure of a start or of memory, and how often a task
            is used for the first time.
    """

    lengths: tuple[int, ...]
    threads: tuple[int, ...]
    rounds: int
    starts: int


_CORES = os.cpu_count() or 1
QUICK = Effort((16, 64, 128), tuple(sorted({1, _CORES})), 40, 5)
THOROUGH = Effort(
    (16, 32, 64, 128, 256, 512), tuple(sorted({1, 2, 4, _CORES} & {*range(_CORES + 1)})), 200, 15
)


@dataclass(frozen=True)
class TaskFile:
    """A task to measure.

    Attributes:
        name: its name in the report.
        path: its file.
        about: what `edgediff.format.inspect` tells of it; None if it cannot be measured.
        refused: why it cannot be measured.
        data: labelled rows to score it on, if there are any.
    """

    name: str
    path: Path
    about: dict[str, Any] | None
    refused: str | None = None
    data: Path | None = None


@dataclass(frozen=True)
class Plan:
    """A base bundle and the tasks to measure on it."""

    base: Path
    manifest: Manifest
    tasks: tuple[TaskFile, ...]
    effort: Effort

    @property
    def usable(self) -> list[TaskFile]:
        """The tasks that can be measured."""
        return [task for task in self.tasks if task.refused is None]

    @property
    def lengths(self) -> list[int]:
        """The lengths that the base takes."""
        return [length for length in self.effort.lengths if length <= self.manifest.max_length]

    def with_data(self, data: Mapping[str, Path]) -> "Plan":
        """The plan with labelled rows for tasks, by their names.

        Raises:
            DataError: a file of rows is missing.
        """
        for name, path in data.items():
            if not path.is_file():
                raise DataError(f"the rows of {name}: {path} is no file")
        tasks = (replace(task, data=data.get(task.name)) for task in self.tasks)
        return replace(self, tasks=tuple(tasks))

    def identity(self) -> dict[str, Any]:
        """All that its results depend on besides the machine, in plain values."""
        return {
            "base": self.manifest.base.fingerprint,
            "tasks": {
                task.name: {
                    "refused": task.refused,
                    "file": sha256(task.path) if task.path.is_file() else None,
                    "data": sha256(task.data) if task.data and task.data.is_file() else None,
                }
                for task in self.tasks
            },
            "effort": json.loads(json.dumps(asdict(self.effort))),  # as it is read back
        }


def make_plan(base: str | Path, dpfs: Sequence[Path], effort: Effort = QUICK) -> Plan:
    """Look at every file; one that cannot be measured is kept, with the reason.

    Raises:
        BundleError: the base is missing or damaged.
        SettingError: no file can be measured.
    """
    manifest = read_manifest(base)
    tasks: list[TaskFile] = []
    for path in dpfs:
        task = _look_at(path, manifest, {task.name for task in tasks})
        tasks.append(task)
    plan = Plan(Path(base), manifest, tuple(tasks), effort)
    if not plan.usable:
        raise SettingError(f"no file can be measured: {tasks[0].refused}" if tasks else "no file is named")
    return plan


def _look_at(path: Path, manifest: Manifest, taken: set[str]) -> TaskFile:
    try:
        about = inspect(path)
        read_fitting(manifest, path, "the bundle")  # every byte, so that nothing fails half-way
    except FormatError as error:
        return TaskFile(_free(path.stem, taken), path, None, str(error))
    except BaseMismatchError as error:
        return TaskFile(_free(about["task"]["name"], taken), path, None, str(error))
    return TaskFile(_free(about["task"]["name"], taken), path, about)


def _free(name: str, taken: set[str]) -> str:
    """The name, or with a number if another file has it."""
    number = 2
    free = name
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free
